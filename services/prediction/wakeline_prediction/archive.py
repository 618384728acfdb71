"""The bytes that prediction reads and writes: pictures, large geometry, models."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

import structlog

from wakeline_blobs import (
    CONTENT,
    BlobAccessDeniedError,
    BlobMissingError,
    Blobs,
    BlobStoreUnavailableError,
    BucketMissingError,
    keep_shapes,
    load_shapes,
)
from wakeline_events.base import Asset
from wakeline_events.shapes import PredictionSet
from wakeline_geometry.shapes import Predicted
from wakeline_images import read_stack
from wakeline_prediction.domain.errors import PredictorRefusedError
from wakeline_prediction.ports import Picture

log = structlog.get_logger()

T = TypeVar("T")
ASSETS = "assets"
PREDICTIONS = "predictions"
AWAY = (BlobStoreUnavailableError, BlobAccessDeniedError, BucketMissingError)
LISTED = 1_000
"""Blobs that are judged at once."""
_PAUSE = 2.0


class BlobArchive:
    """The archive on an object store."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def picture(self, asset: Asset) -> Picture:
        """Fetch and decode an asset with its bands, in threads; waits for a store that is away."""
        names = list(asset.bands)
        try:
            image, *bands = await asyncio.gather(
                *(self._asset(key) for key in (asset.image, *asset.bands.values()))
            )
        except BlobMissingError as error:
            raise PredictorRefusedError("image-missing", str(error)) from error
        stack, channels = await asyncio.to_thread(
            read_stack, image, dict(zip(names, bands, strict=True))
        )
        return Picture(stack, channels)

    async def pack(self, shapes: Sequence[Predicted], *, wait: bool) -> PredictionSet:
        """Shapes as an event carries them; the blob, if there is one, is stored by then."""

        async def keep() -> PredictionSet:
            kept = await keep_shapes(self._blobs, PREDICTIONS, shapes)
            # As it is: to validate hundreds of masks again would hold up the event loop.
            return PredictionSet.model_construct(count=kept.count, items=kept.items, blob=kept.blob)

        return await (patiently(keep) if wait else keep())

    async def unpack(self, stored: PredictionSet, *, wait: bool) -> tuple[Predicted, ...]:
        """The shapes again."""

        async def load() -> tuple[Predicted, ...]:
            return await load_shapes(self._blobs, stored, Predicted)

        return await (patiently(load) if wait else load())

    async def kept_before(self, at: datetime) -> AsyncIterator[list[str]]:
        """Keys of all blobs of shapes that were last stored before a time, some at once."""
        keys: list[str] = []
        async for found in self._blobs.list(PREDICTIONS, CONTENT):
            if found.modified_at < at:
                keys.append(found.key)
            if len(keys) == LISTED:
                yield keys
                keys = []
        if keys:
            yield keys

    async def drop(self, key: str, *, before: datetime) -> bool:
        """Delete a blob of shapes, unless it was stored again since then; whether it is gone."""
        try:
            if (await self._blobs.stat(PREDICTIONS, key)).modified_at >= before:
                return False
        except BlobMissingError:
            return False
        await self._blobs.delete(PREDICTIONS, key)
        return True

    async def _asset(self, key: str) -> bytes:
        return await patiently(lambda: self._blobs.get(ASSETS, key))


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Do something with the object store, as often as it takes while the store is away.

    A bucket or a right that is missing is the operator's to mend, and no fault of an asset's.
    """
    while True:
        try:
            return await call()
        except AWAY as error:
            log.warning("waiting for the object store", cause=f"{type(error).__name__}: {error}")
            await asyncio.sleep(_PAUSE)
