"""The bytes of training: manifests, what trainers wrote, logs, and models on their way out."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import TypeAdapter

from wakeline_blobs import (
    BlobAccessDeniedError,
    BlobMissingError,
    BlobRef,
    Blobs,
    BlobSettings,
    BlobStoreUnavailableError,
    BucketMissingError,
    load_json,
)
from wakeline_events.shapes import AnnotationSet, PredictionSet, ShapeSet
from wakeline_geometry.shapes import Annotation, Predicted, Shape
from wakeline_training.domain.manifest import HoldoutTruth, holdout_of, whole_lines

log = structlog.get_logger()

T = TypeVar("T")
S = TypeVar("S", bound=Shape)
DATASETS = "datasets"
"""Manifests and runs lie here: the service may read what it wrote, and nobody else may."""
MODELS = "models"
"""Finished models lie here: this service may only write, and only prediction may read."""
_PAUSE = 2.0
_ANNOTATIONS = TypeAdapter(tuple[Annotation, ...])
_PREDICTED = TypeAdapter(tuple[Predicted, ...])


class BlobArchive:
    """The archive on an object store. A store that is away is waited for: jobs have time."""

    def __init__(self, blobs: Blobs, settings: BlobSettings) -> None:
        self._blobs = blobs
        self._prefix = settings.prefix
        self.assets_bucket = f"{settings.prefix}assets"

    def uri(self, key: str) -> str:
        """The URI of a key in the bucket ``datasets``."""
        return f"s3://{self._prefix}{DATASETS}/{key}"

    async def save_manifest(self, key: str, manifest: Path) -> None:
        """Store a manifest; its key is its digest, so storing it again changes nothing."""
        await _patiently(lambda: self._blobs.put_file(DATASETS, key, manifest, "application/jsonl"))

    async def holdout(self, key: str) -> list[HoldoutTruth]:
        """The hold-out of a manifest; of what trains no more than a chunk is in memory."""

        async def read() -> list[HoldoutTruth]:
            found: list[HoldoutTruth] = []
            async for lines in whole_lines(self.stream_manifest(key)):
                found += await asyncio.to_thread(holdout_of, lines)
            return found

        return await _patiently(read)

    def stream_manifest(self, key: str) -> AsyncIterator[bytes]:
        """A manifest's bytes, as they come; a store that goes away breaks the stream."""
        return self._blobs.stream(DATASETS, key)

    async def annotations(self, stored: AnnotationSet) -> tuple[Annotation, ...]:
        """The annotations of a label, from the event or from its blob."""
        return await self._shapes(stored, _ANNOTATIONS)

    async def predicted(self, stored: PredictionSet) -> tuple[Predicted, ...]:
        """The shapes of a prediction, from the event or from its blob."""
        return await self._shapes(stored, _PREDICTED)

    async def read(self, key: str) -> bytes | None:
        """What a trainer wrote, or None if it has not."""
        try:
            return await _patiently(lambda: self._blobs.get(DATASETS, key))
        except BlobMissingError:
            return None

    async def digest(self, key: str) -> str | None:
        """SHA-256 of what a trainer wrote, read chunk by chunk, or None if it has not."""

        async def read() -> str:
            digest = hashlib.sha256()
            async for chunk in self._blobs.stream(DATASETS, key):
                digest.update(chunk)
            return digest.hexdigest()

        try:
            return await _patiently(read)
        except BlobMissingError:
            return None

    async def save_log(self, key: str, log: bytes) -> None:
        """Store what a trainer said so far."""
        await _patiently(lambda: self._blobs.put(DATASETS, key, log, "text/plain"))

    async def deliver(self, source: str, target: str, names: Sequence[str]) -> None:
        """Copy files of an attempt to the bucket ``models``, streaming."""
        for name in names:

            async def copy(name: str = name) -> None:
                stream = self._blobs.stream(DATASETS, f"{source}{name}")
                await self._blobs.put_stream(MODELS, f"{target}{name}", stream)

            await _patiently(copy)

    async def _shapes(
        self, stored: ShapeSet[S], adapter: TypeAdapter[tuple[S, ...]]
    ) -> tuple[S, ...]:
        if stored.blob is None:
            return stored.items or ()
        blob = stored.blob
        ref = BlobRef(key=blob.key, digest=blob.digest, bytes=blob.bytes)
        return adapter.validate_python(
            await _patiently(lambda: load_json(self._blobs, blob.bucket, ref))
        )


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await call()
        except (BlobStoreUnavailableError, BlobAccessDeniedError, BucketMissingError) as error:
            log.warning("waiting for the object store", cause=str(error))
            await asyncio.sleep(_PAUSE)
