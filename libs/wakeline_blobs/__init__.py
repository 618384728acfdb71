"""Bytes in an S3 store, and which service may touch which of them."""

from wakeline_blobs.access import BUCKETS, MATRIX, SOURCES, Rights, reads_sources, s3_policy
from wakeline_blobs.blobs import BlobInfo, Blobs
from wakeline_blobs.content import CONTENT, BlobRef, load_json, store_json
from wakeline_blobs.errors import (
    BlobAccessDeniedError,
    BlobCorruptError,
    BlobError,
    BlobMissingError,
    BlobStoreUnavailableError,
    BucketMissingError,
)
from wakeline_blobs.references import BlobChangedError, Reference, SourceBucket
from wakeline_blobs.settings import BlobSettings
from wakeline_blobs.shapes import keep_shapes, load_shapes

__all__ = [
    "BUCKETS",
    "CONTENT",
    "MATRIX",
    "SOURCES",
    "BlobAccessDeniedError",
    "BlobChangedError",
    "BlobCorruptError",
    "BlobError",
    "BlobInfo",
    "BlobMissingError",
    "BlobRef",
    "BlobSettings",
    "BlobStoreUnavailableError",
    "Blobs",
    "BucketMissingError",
    "Reference",
    "Rights",
    "SourceBucket",
    "keep_shapes",
    "load_json",
    "load_shapes",
    "reads_sources",
    "s3_policy",
    "store_json",
]
