"""What the lineage service needs beside its database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from wakeline_blobs import Blobs, BlobSettings


@dataclass(frozen=True)
class Resources:
    """Where the manifests of dataset versions lie."""

    blobs: Blobs


@asynccontextmanager
async def open_resources(settings: BlobSettings) -> AsyncIterator[Resources]:
    """Open the object store, and close it at the end."""
    async with Blobs(settings) as blobs:
        yield Resources(blobs)
