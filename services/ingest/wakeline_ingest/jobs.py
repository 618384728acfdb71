"""Work that takes longer than a request may: finding the groups of new assets."""

from contextlib import suppress
from datetime import timedelta
from functools import partial

from wakeline_ingest import usecases
from wakeline_ingest.domain.errors import TurnTakenError
from wakeline_ingest.resources import Resources
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_messaging import Job, JobLease, Jobs

jobs = Jobs()
BATCH = 50
"""Assets that one run places."""
PAUSE = timedelta(minutes=1)


@jobs.on(usecases.GROUP_JOB, batch=BATCH, lease=timedelta(seconds=60), attempts=5)
async def group(lease: JobLease[MongoIngestUnitOfWork, Resources]) -> None:
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
