"""References: small objects in ``assets`` that say in which other bucket an image's bytes lie."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wakeline_blobs.errors import BlobCorruptError, BlobMissingError

ASSETS = "assets"
SUFFIX = ".ref.json"
"""Ends the key of every reference, and of nothing else in ``assets``."""


class SourceBucket(str):
    """The full name of a bucket that is the customer's: the stack's prefix is not for it."""

    __slots__ = ()


class Reference(BaseModel):
    """Where bytes lie that were never copied. Events carry the reference's key, never this.

    Of an image that was kept later on it leads into ``assets`` itself, for what was told stays.
    """

    model_config = ConfigDict(frozen=True)

    bucket: str
    """Full name."""
    key: str
    etag: Annotated[str, Field(min_length=1)]
    """The store's name of this content: bytes under any other are not what was registered."""
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the bytes, in hex."""
    bytes: Annotated[int, Field(ge=0)]


class BlobChangedError(BlobMissingError):
    """The object that a reference names holds other bytes now: those that it meant are gone."""

    code: ClassVar[str] = "blob-changed"

    def __init__(self, bucket: str, key: str) -> None:
        super().__init__(bucket, key)
        self.args = (f"what {key} refers to has changed in its own bucket: sync its source again",)


def is_reference(bucket: str, key: str) -> bool:
    """Whether a blob is a reference, to be followed by whoever wants the bytes."""
    return bucket == ASSETS and key.endswith(SUFFIX)


def parse_reference(key: str, data: bytes) -> Reference:
    """Read a reference.

    Raises
    ------
    BlobCorruptError
        If the object is none.
    """
    try:
        return Reference.model_validate_json(data)
    except ValidationError as error:
        raise BlobCorruptError(f"{key} is no reference: {error.errors()[0]['msg']}") from error
