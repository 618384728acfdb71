"""Bytes in an S3 store, and which service may touch which of them."""

from wakeline_blobs.access import BUCKETS, MATRIX, Rights, s3_policy
from wakeline_blobs.blobs import BlobInfo, Blobs
from wakeline_blobs.content import BlobRef, load_json, store_json
from wakeline_blobs.errors import (
    BlobAccessDeniedError,
    BlobCorruptError,
    BlobError,
    BlobMissingError,
    BlobStoreUnavailableError,
    BucketMissingError,
)
from wakeline_blobs.settings import BlobSettings
from wakeline_blobs.shapes import keep_shapes, load_shapes

__all__ = [
    "BUCKETS",
    "MATRIX",
    "BlobAccessDeniedError",
    "BlobCorruptError",
    "BlobError",
    "BlobInfo",
    "BlobMissingError",
    "BlobRef",
    "BlobSettings",
    "BlobStoreUnavailableError",
    "Blobs",
    "BucketMissingError",
    "Rights",
    "keep_shapes",
    "load_json",
    "load_shapes",
    "s3_policy",
    "store_json",
]
