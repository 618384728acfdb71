"""What the lineage service needs beside its database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from wakeline_blobs import Blobs
from wakeline_lineage.receivers import HttpReceivers
from wakeline_lineage.sealing import Seal
from wakeline_lineage.settings import Settings


@dataclass(frozen=True)
class Resources:
    """Where the manifests of dataset versions lie, and who may be told what happens."""

    blobs: Blobs
    receivers: HttpReceivers
    seal: Seal
    webhook_patience: timedelta


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open the object store and a client of receivers, and close both at the end."""
    seal = settings.webhooks.seal()
    receivers = HttpReceivers(settings.webhooks.receivers, seal)
    try:
        async with Blobs(settings.blobs) as blobs:
            yield Resources(blobs, receivers, seal, settings.webhooks.patience)
    finally:
        await receivers.close()
