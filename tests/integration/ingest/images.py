"""Small pictures that no two of are alike, and files of them."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import numpy as np
from PIL import Image

from wakeline_blobs import Blobs, SourceBucket
from wakeline_testing import Scope


def picture(seed: int, side: int = 48, kind: str = "PNG") -> bytes:
    """An image that only this seed makes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


class Bucket:
    """A customer's bucket, as the customer sees it."""

    def __init__(self, blobs: Blobs, name: str) -> None:
        self.blobs = blobs
        self.name = name

    async def put(self, key: str, data: bytes) -> None:
        await self.blobs.put(SourceBucket(self.name), key, data)

    async def delete(self, key: str) -> None:
        await self.blobs.delete(SourceBucket(self.name), key)


@asynccontextmanager
async def bucket_of(scope: Scope, name: str = "source-a") -> AsyncIterator[Bucket]:
    full = await scope.bucket(name)
    async with Blobs(scope.blobs()) as blobs:
        yield Bucket(blobs, full)


async def everything(
    client: httpx.AsyncClient, url: str, **params: object
) -> list[dict[str, object]]:
    """All items of a paged list, a few at a time."""
    found: list[dict[str, object]] = []
    wanted: dict[str, object] = {"limit": 3} | params
    while True:
        answer = await client.get(url, params=wanted)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        if page["next"] is None:
            return found
        wanted["cursor"] = page["next"]
