"""Work that takes longer than a request may: finding groups, and imports of every kind."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog

from wakeline_blobs import (
    BlobAccessDeniedError,
    BlobError,
    BlobStoreUnavailableError,
    BucketMissingError,
)
from wakeline_ingest import usecases
from wakeline_ingest.domain.errors import (
    ArchiveError,
    AssetDiffersError,
    CopyLostError,
    FileRefusedError,
    FileTooLargeError,
    StagedFileError,
    TableError,
    TurnTakenError,
    UnknownParentError,
)
from wakeline_ingest.domain.imports import ImportRecord
from wakeline_ingest.domain.uploads import UploadRecord
from wakeline_ingest.importing import references, staging
from wakeline_ingest.importing.fetching import import_urls
from wakeline_ingest.importing.reading import arrival_of, place_for_file
from wakeline_ingest.importing.sync import Sync
from wakeline_ingest.importing.tables import import_metadata
from wakeline_ingest.importing.unpacking import import_archive
from wakeline_ingest.resources import Resources
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_ingest.usecases import syncing, uploading
from wakeline_messaging import Job, JobLease, Jobs

log = structlog.get_logger()

jobs = Jobs()
Lease = JobLease[MongoIngestUnitOfWork, Resources]
Work = Callable[[Lease, ImportRecord, Path], Awaitable[None]]
UNUSABLE = (ArchiveError, FileTooLargeError, StagedFileError, TableError)
"""What is wrong with a file and not with us: its import ends with this reason."""
BATCH = 50
"""Assets that one run places."""
PAUSE = timedelta(minutes=1)
STORE_PAUSE = 2.0
"""Seconds between looks for an object store that is away."""


@jobs.on(usecases.GROUP_JOB, batch=BATCH, lease=timedelta(seconds=60), attempts=5)
async def group(lease: Lease) -> None:
    """Place the assets that have waited longest; a job's id is its asset."""
    asset_ids = [job.id for job in lease.jobs]
    library, placed = lease.read().library, False
    resources = lease.resources
    prints = usecases.Prints(library, resources.depot, resources.checks_at_once)
    while not placed:  # what another process placed first, it placed for good: this ends
        plans = await usecases.plan_groups(library, prints, asset_ids)
        with suppress(TurnTakenError):
            await lease.finish(partial(usecases.place, plans=plans))
            placed = True


@jobs.on(usecases.REFER_JOB, batch=BATCH, lease=timedelta(seconds=60), attempts=5)
async def refer(lease: Lease) -> None:
    """Write references as the records say; nobody else does. A job's id is its asset."""
    asset_ids = [job.id for job in lease.jobs]
    while not lease.finished:
        places = await references.write(lease.resources, lease.read(), asset_ids)
        with suppress(CopyLostError):
            await lease.finish(partial(syncing.refer, places=places))


@jobs.on_failed(usecases.GROUP_JOB)
@jobs.on_failed(usecases.REFER_JOB)
async def try_again_later(job: Job, _: Exception, uow: MongoIngestUnitOfWork) -> None:
    """Never give an asset up: its image is stored, and would wait for a group for ever."""
    uow.collection("jobs").delete({"_id": job.row_id})
    uow.enqueue(job.kind, job.id, job.payload, not_before=uow.now + PAUSE)


@jobs.on(syncing.SYNC_JOB, lease=timedelta(seconds=30), attempts=5, concurrency=2)
async def sync(lease: Lease) -> None:
    """Sync a source; an object store that is away is waited for."""
    import_id, source_row = lease.job.id, _source_row(lease.job)
    while not lease.finished:
        uow = lease.read()
        record = await uow.imports.get(import_id)
        source = await uow.sources.get(lease.job.payload["dataset_id"], _source_id(lease.job))
        assert record is not None  # written in the transaction that asked for the job
        assert source is not None
        try:
            await Sync(lease, source, record).run()
            await lease.finish(partial(_sync_done, source_row, import_id))
        except BlobStoreUnavailableError as error:
            log.warning("sync waits for the object store", cause=str(error))
            await asyncio.sleep(STORE_PAUSE)
        except (BlobAccessDeniedError, BucketMissingError) as error:
            why = partial(_sync_failed, source_row, import_id, error)
            await lease.finish(why)


@jobs.on_failed(syncing.SYNC_JOB)
async def sync_failed(job: Job, cause: Exception, uow: MongoIngestUnitOfWork) -> None:
    """End the sync; the job's row is not needed any more."""
    uow.collection("jobs").delete({"_id": job.row_id})
    await _sync_failed(_source_row(job), job.id, cause, uow)


async def _sync_done(source_row: str, import_id: str, uow: MongoIngestUnitOfWork) -> None:
    syncing.end_sync(uow, source_row, import_id)


async def _sync_failed(
    source_row: str, import_id: str, cause: Exception, uow: MongoIngestUnitOfWork
) -> None:
    code = getattr(cause, "code", "internal-error")
    # Of an error of ours only its name: details are the operator's, and stand in the log.
    message = str(cause) if isinstance(cause, BlobError) else type(cause).__name__
    syncing.fail_sync(uow, source_row, import_id, code, message)


def _source_id(job: Job) -> str:
    return str(job.payload["source_id"])


def _source_row(job: Job) -> str:
    return f"{job.payload['dataset_id']}/{_source_id(job)}"


@jobs.on("archive", lease=timedelta(seconds=30), attempts=5)
async def unpack(lease: Lease) -> None:
    """Import an archive."""
    await _import_file(lease, import_archive)


@jobs.on("metadata", lease=timedelta(seconds=30), attempts=5)
async def describe(lease: Lease) -> None:
    """Import a table of metadata."""
    await _import_file(lease, import_metadata)


@jobs.on("urls", lease=timedelta(seconds=30), attempts=5)
async def read_urls(lease: Lease) -> None:
    """Import a list of URLs."""
    await _import_file(lease, import_urls)


async def _import_file(lease: Lease, work: Work) -> None:
    """Do an import's work on its file; an object store that is away is waited for."""
    import_id, upload_id = lease.job.id, str(lease.job.payload["upload_id"])
    more = lease.resources.unpacked_bytes if lease.job.kind == "archive" else 0
    while not lease.finished:
        uow = lease.read()
        record, upload = await uow.imports.get(import_id), await uow.uploads.get(upload_id)
        assert record is not None  # written in the transaction that asked for the job
        assert upload is not None
        try:
            async with place_for_file(lease.resources, upload.bytes + more) as path:
                await staging.fetch(lease.resources, upload, path)
                await work(lease, record, path)
            await lease.finish(partial(_import_done, import_id))
        except BlobStoreUnavailableError as error:
            log.warning("import waits for the object store", cause=str(error))
            await asyncio.sleep(STORE_PAUSE)
        except UNUSABLE as error:
            await lease.finish(partial(_import_failed, import_id, error))
    await staging.clear(lease.resources, upload_id)  # or else it is collected a day later


async def import_failed(job: Job, cause: Exception, uow: MongoIngestUnitOfWork) -> None:
    """End an import that fails again and again; the job's row is not needed any more."""
    uow.collection("jobs").delete({"_id": job.row_id})
    await _import_failed(job.id, cause, uow)


for _kind in ("archive", "metadata", "urls"):
    jobs.on_failed(_kind)(import_failed)


async def _import_done(import_id: str, uow: MongoIngestUnitOfWork) -> None:
    uow.imports.end(import_id, "done", uow.now)


async def _import_failed(import_id: str, cause: Exception, uow: MongoIngestUnitOfWork) -> None:
    uow.imports.end(import_id, "failed", uow.now, *_reason(cause))


def _reason(cause: Exception) -> tuple[str, str]:
    # Of an error of ours only its name: details are the operator's, and stand in the log.
    known = isinstance(cause, (BlobError, *UNUSABLE))
    return getattr(cause, "code", "internal-error"), str(cause) if known else type(cause).__name__


@jobs.on(uploading.UPLOAD_JOB, lease=timedelta(seconds=30), attempts=5, concurrency=2)
async def finish_upload(lease: Lease) -> None:
    """Check a big file all of whose parts are there, and make it an asset."""
    upload_id, resources = lease.job.id, lease.resources
    while not lease.finished:
        upload = await lease.read().uploads.get(upload_id)
        assert upload is not None  # written in the transaction that asked for the job
        try:
            async with place_for_file(resources, upload.bytes) as path:
                image = await staging.fetch(resources, upload, path)
                arrival = await arrival_of(lease, upload.dataset_id, image, upload.declared)
            await lease.finish(partial(uploading.finish, upload=upload, arrival=arrival))
        except BlobStoreUnavailableError as error:
            log.warning("upload waits for the object store", cause=str(error))
            await asyncio.sleep(STORE_PAUSE)
        except (
            AssetDiffersError,
            FileRefusedError,
            FileTooLargeError,
            StagedFileError,
            UnknownParentError,
        ) as error:
            await lease.finish(partial(_upload_refused, upload, error))
    await staging.clear(resources, upload_id)


@jobs.on_failed(uploading.UPLOAD_JOB)
async def upload_failed(job: Job, cause: Exception, uow: MongoIngestUnitOfWork) -> None:
    """End an upload that fails again and again; its parts are collected."""
    uow.collection("jobs").delete({"_id": job.row_id})
    upload = await uow.uploads.get(job.id)
    assert upload is not None
    uploading.refuse(uow, upload, *_reason(cause))


async def _upload_refused(
    upload: UploadRecord, error: Exception, uow: MongoIngestUnitOfWork
) -> None:
    if isinstance(error, FileRefusedError):
        await usecases.refuse(uow, upload.dataset_id, upload.declared.file_name, error)
    uploading.refuse(uow, upload, getattr(error, "code", "refused"), str(error))


@jobs.on(uploading.COLLECT_JOB, lease=timedelta(seconds=60), attempts=20)
async def collect(lease: Lease) -> None:
    """Delete what nobody completed, and what an import that ended has left."""
    upload_id, of_no_use = lease.job.id, False
    sent_at = await staging.sent_at(lease.resources, upload_id)
    lifetime = lease.resources.uploads.lifetime

    async def judge(uow: MongoIngestUnitOfWork) -> None:
        nonlocal of_no_use
        of_no_use = await uploading.may_be_cleared(uow, upload_id, sent_at, lifetime)

    await lease.transaction(judge)  # from here on it takes no more parts
    if of_no_use:
        await staging.clear(lease.resources, upload_id)
        return

    async def later(uow: MongoIngestUnitOfWork) -> None:
        uow.enqueue(lease.job.kind, upload_id, {}, not_before=uow.now + uploading.GRACE)

    await lease.finish(later)
