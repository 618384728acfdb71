"""The one place where the ingest service's clients are built."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import cv2

from wakeline_blobs import Blobs, BlobSettings
from wakeline_ingest.api import declared, imports
from wakeline_ingest.api.problems import STATUS
from wakeline_ingest.api.routes import router
from wakeline_ingest.checking import CheckPolicy
from wakeline_ingest.domain.addresses import UrlRules
from wakeline_ingest.domain.archives import ArchiveLimits
from wakeline_ingest.handlers import handlers
from wakeline_ingest.importing.scratch import LEFT_BEHIND, PREFIX, Scratch
from wakeline_ingest.importing.unpacking import CHUNK_BYTES
from wakeline_ingest.jobs import jobs
from wakeline_ingest.migrations import MIGRATIONS
from wakeline_ingest.resources import BlobDepot, Resources
from wakeline_ingest.settings import Settings
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_ingest.usecases import republishing
from wakeline_process import Service
from wakeline_process.scratch import own_folder


def service(settings: Settings | None = None) -> Service[MongoIngestUnitOfWork, Resources]:
    """Build the service from its settings, or from those of the environment."""
    chosen = settings or Settings()
    return Service(
        name="ingest",
        settings=chosen,
        unit_of_work=MongoIngestUnitOfWork,
        resources=lambda: open_resources(chosen),
        routers=(router, imports.router, declared.router),
        problems=STATUS,
        handlers=handlers,
        jobs=jobs,
        states=republishing.STATES,
        migrations=MIGRATIONS,
        checks=lambda resources: {"blobs": resources.blobs.check},
    )


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open what the service needs beside its database, and close it at the end."""
    cv2.setNumThreads(1)  # parallel by uploads; threads inside each would only get in the way
    room, most = settings.scratch_bytes, settings.uploads.max_bytes
    file_bytes = min(settings.max_file_bytes, room // 3) if room else settings.max_file_bytes
    unpacked = CHUNK_BYTES + file_bytes
    async with (
        Blobs(settings.blobs) as blobs,
        Blobs(_public(settings)) as public_blobs,
        AsyncExitStack() as held,
    ):
        folder = held.enter_context(own_folder(PREFIX, settings.upload_folder, LEFT_BEHIND))
        yield Resources(
            blobs=blobs,
            depot=BlobDepot(blobs),
            policy=CheckPolicy(settings.max_pixels, settings.refuse_wrong_extensions),
            max_file_bytes=file_bytes,
            scratch=Scratch(folder, room),
            unpacked_bytes=unpacked,
            max_import_bytes=min(most, room - unpacked) if room else most,
            checking=asyncio.Semaphore(settings.checks_at_once),
            checks_at_once=settings.checks_at_once,
            uploads=settings.uploads,
            archives=ArchiveLimits(
                entries=settings.archives.max_entries,
                bytes=settings.archives.max_bytes,
                entry_bytes=file_bytes,
                ratio=settings.archives.max_ratio,
            ),
            public_blobs=public_blobs,
            url_rules=UrlRules(settings.urls.hosts, settings.urls.schemes, settings.urls.networks),
            url_timeout=settings.urls.timeout,
            source_buckets=settings.source_buckets,
            bucket_prefix=settings.blobs.prefix,
        )


def _public(settings: Settings) -> BlobSettings:
    given, secure = settings.uploads.public_endpoint, settings.uploads.public_secure
    return settings.blobs.model_copy(
        update={
            "endpoint": given or settings.blobs.endpoint,
            "secure": settings.blobs.secure if secure is None else secure,
        }
    )
