"""Where an error of ingest meets an HTTP status."""

from wakeline_blobs import BlobMissingError
from wakeline_ingest.domain.errors import (
    AssetDiffersError,
    FileRefusedError,
    FileTooLargeError,
    InvalidUploadError,
    MetadataRefusedError,
    ScratchFullError,
    SourceDiffersError,
    SourceRefusedError,
    UnknownAssetError,
    UnknownDatasetError,
    UnknownImportError,
    UnknownParentError,
    UnknownSourceError,
    UnknownUploadError,
    UploadDiffersError,
    UploadEndedError,
    UploadIncompleteError,
)

STATUS: dict[type[Exception], int] = {
    UnknownDatasetError: 404,
    UnknownAssetError: 404,
    UnknownParentError: 422,
    AssetDiffersError: 409,
    InvalidUploadError: 422,
    FileTooLargeError: 413,
    ScratchFullError: 503,
    FileRefusedError: 422,
    UnknownSourceError: 404,
    UnknownImportError: 404,
    UnknownUploadError: 404,
    UploadDiffersError: 409,
    UploadEndedError: 409,
    UploadIncompleteError: 422,
    SourceRefusedError: 422,
    MetadataRefusedError: 422,
    SourceDiffersError: 409,
    BlobMissingError: 404,
}
