"""JSON whose name is its content: equal values are one object, and a changed one is noticed."""

import asyncio
import gzip
import hashlib
import zlib
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from wakeline_blobs.blobs import Blobs
from wakeline_blobs.errors import BlobCorruptError

CONTENT = "sha256/"
"""What the keys of all values that are named by their content begin with."""
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class BlobRef(BaseModel):
    """Names a JSON value in the store; small enough for an event."""

    model_config = ConfigDict(frozen=True)

    key: str
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the JSON before compression: keys sorted, no white space, UTF-8."""
    bytes: Annotated[int, Field(ge=0)]
    """Length of that JSON, so that a reader knows how much memory it takes."""


async def store_json(blobs: Blobs, bucket: str, value: Any) -> BlobRef:
    """Store a value as gzipped JSON under its digest and return its reference.

    Storing an equal value again writes the same bytes to the same key, so it may be repeated, and
    what a transaction that failed leaves behind harms nothing.
    """
    ref, packed = await asyncio.to_thread(pack, value)
    await blobs.put(bucket, ref.key, packed, "application/gzip")
    return ref


async def load_json(blobs: Blobs, bucket: str, ref: BlobRef) -> Any:
    """Return the value that a reference names.

    Raises
    ------
    BlobMissingError
        If there is no such object.
    BlobCorruptError
        If the object's bytes are not the ones that the reference names.
    """
    packed = await blobs.get(bucket, ref.key)
    return await asyncio.to_thread(unpack, ref, packed)


def pack(value: Any) -> tuple[BlobRef, bytes]:
    """Return a value's reference and its gzipped JSON: pure, and the same for equal values."""
    document = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(document).hexdigest()
    ref = BlobRef(key=f"{CONTENT}{digest[:2]}/{digest}.json.gz", digest=digest, bytes=len(document))
    # Without a time in its header, equal content is equal bytes.
    return ref, gzip.compress(document, compresslevel=6, mtime=0)


def unpack(ref: BlobRef, packed: bytes) -> Any:
    """Return the value of gzipped JSON, checked against its reference.

    Raises
    ------
    BlobCorruptError
        If it is not gzip, not as long as the reference says, or of another digest.
    """
    try:
        # No more than the reference allows: a small object can unpack to any size.
        document = zlib.decompressobj(_GZIP_WINDOW).decompress(packed, ref.bytes + 1)
    except zlib.error as error:
        raise BlobCorruptError(f"{ref.key} is not gzip: {error}") from error
    if len(document) != ref.bytes or hashlib.sha256(document).hexdigest() != ref.digest:
        raise BlobCorruptError(f"{ref.key} does not hold what its digest names")
    return orjson.loads(document)
