"""Sets of shapes, kept inside an event while they are small and in a bucket once they are not."""

from collections.abc import Sequence
from typing import TypeVar

import orjson

from wakeline_blobs.blobs import Blobs
from wakeline_blobs.content import BlobRef, load_json, store_json
from wakeline_events.base import BlobRef as EventBlobRef
from wakeline_events.shapes import INLINE_BYTES, ShapeSet
from wakeline_geometry.shapes import Shape

S = TypeVar("S", bound=Shape)


async def keep_shapes(blobs: Blobs, bucket: str, shapes: Sequence[S]) -> ShapeSet[S]:
    """Make shapes fit for an event: call it before the transaction, for it may write a blob.

    A blob whose transaction never commits is an orphan that harms nobody: it is named by its
    content.
    """
    value = [shape.model_dump(mode="json") for shape in shapes]
    if len(orjson.dumps(value)) <= INLINE_BYTES:
        return ShapeSet(count=len(shapes), items=tuple(shapes))
    ref = await store_json(blobs, bucket, value)
    return ShapeSet(
        count=len(shapes),
        blob=EventBlobRef(bucket=bucket, key=ref.key, digest=ref.digest, bytes=ref.bytes),
    )


async def load_shapes(blobs: Blobs, shapes: ShapeSet[S], kind: type[S]) -> tuple[S, ...]:
    """The shapes of a set, wherever they lie.

    Raises
    ------
    BlobMissingError, BlobCorruptError
        If the blob is not there, or not what the event said.
    """
    if shapes.items is not None:
        return shapes.items
    if shapes.blob is None:
        return ()
    blob = shapes.blob
    ref = BlobRef(key=blob.key, digest=blob.digest, bytes=blob.bytes)
    value = await load_json(blobs, blob.bucket, ref)
    return tuple(kind.model_validate(item) for item in value)
