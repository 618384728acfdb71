"""Why a blob could not be had or stored."""

from typing import ClassVar


class BlobError(Exception):
    """The store refused a request for a reason that none of the classes below names."""

    code: ClassVar[str] = "blob-error"


class BlobMissingError(BlobError):
    """There is no such object."""

    code: ClassVar[str] = "blob-missing"

    def __init__(self, bucket: str, key: str) -> None:
        super().__init__(f"there is no object {key} in the bucket {bucket}")
        self.bucket = bucket
        self.key = key


class BucketMissingError(BlobError):
    """There is no such bucket: the stack is not set up."""

    code: ClassVar[str] = "bucket-missing"

    def __init__(self, bucket: str) -> None:
        super().__init__(f"there is no bucket {bucket}")
        self.bucket = bucket


class BlobAccessDeniedError(BlobError):
    """This service's credential may not do that, or is not known to the store."""

    code: ClassVar[str] = "blob-access-denied"


class BlobCorruptError(BlobError):
    """An object's bytes are not the ones that its reference names."""

    code: ClassVar[str] = "blob-corrupt"


class BlobStoreUnavailableError(BlobError):
    """The store did not answer, or said that it cannot work now: try again later."""

    code: ClassVar[str] = "store-unavailable"
