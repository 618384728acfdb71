"""What the service holds open beside its unit of work."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from wakeline_blobs import Blobs
from wakeline_ingest.checking import CheckPolicy
from wakeline_ingest.domain.addresses import UrlRules
from wakeline_ingest.domain.archives import ArchiveLimits
from wakeline_ingest.domain.records import BUCKET
from wakeline_ingest.importing.scratch import Scratch
from wakeline_ingest.ports import Depot
from wakeline_ingest.settings import UploadSettings


@dataclass(frozen=True)
class Resources:
    """Blobs, and what limits an upload."""

    blobs: Blobs
    depot: Depot
    policy: CheckPolicy
    max_file_bytes: int
    scratch: Scratch
    """Where files lie while they are checked."""
    unpacked_bytes: int
    """That may lie there beside an archive."""
    max_import_bytes: int
    """Of the file of an import."""
    checking: asyncio.Semaphore
    """Held while an image is decoded, so that many uploads don't fill the memory."""
    checks_at_once: int
    """So many images may be decoded, and so many others placed, at the same time."""
    uploads: UploadSettings
    archives: ArchiveLimits
    public_blobs: Blobs
    """The same store as clients reach it: for their URLs only."""
    url_rules: UrlRules
    url_timeout: timedelta
    source_buckets: tuple[str, ...] = ()
    """Patterns of the full names of buckets that may be sources."""
    bucket_prefix: str = ""
    """Before the names of the platform's own buckets."""


class BlobDepot:
    """The bucket of assets."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def put_file(self, key: str, path: Path, content_type: str) -> None:
        """Store a file."""
        await self._blobs.put_file(BUCKET, key, path, content_type)

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Store bytes."""
        await self._blobs.put(BUCKET, key, data, content_type)
