"""Where an error of ingest meets an HTTP status."""

from wakeline_blobs import BlobMissingError
from wakeline_ingest.domain.errors import (
    AssetDiffersError,
    FileRefusedError,
    FileTooLargeError,
    InvalidUploadError,
    UnknownAssetError,
    UnknownDatasetError,
    UnknownParentError,
)

STATUS: dict[type[Exception], int] = {
    UnknownDatasetError: 404,
    UnknownAssetError: 404,
    UnknownParentError: 422,
    AssetDiffersError: 409,
    InvalidUploadError: 422,
    FileTooLargeError: 413,
    FileRefusedError: 422,
    BlobMissingError: 404,
}
