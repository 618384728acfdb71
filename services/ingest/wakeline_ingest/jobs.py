"""Work that takes longer than a request may: finding groups, and imports of every kind."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from functools import partial

import structlog

from wakeline_blobs import (
    BlobAccessDeniedError,
    BlobError,
    BlobStoreUnavailableError,
    BucketMissingError,
)
from wakeline_ingest import usecases
from wakeline_ingest.domain.errors import TurnTakenError
from wakeline_ingest.importing.sync import Sync
from wakeline_ingest.resources import Resources
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_ingest.usecases import syncing
from wakeline_messaging import Job, JobLease, Jobs

log = structlog.get_logger()

jobs = Jobs()
Lease = JobLease[MongoIngestUnitOfWork, Resources]
BATCH = 50
"""Assets that one run places."""
PAUSE = timedelta(minutes=1)
STORE_PAUSE = 2.0
"""Seconds between looks for an object store that is away."""


@jobs.on(usecases.GROUP_JOB, batch=BATCH, lease=timedelta(seconds=60), attempts=5)
async def group(lease: Lease) -> None:
    """Place the assets that have waited longest; a job's id is its asset."""
    asset_ids = [job.id for job in lease.jobs]
    placed = False
    while not placed:  # what another process placed first, it placed for good: this ends
        plans = await usecases.plan_groups(lease.read().library, asset_ids)
        with suppress(TurnTakenError):
            await lease.finish(partial(usecases.place, plans=plans))
            placed = True


@jobs.on_failed(usecases.GROUP_JOB)
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
