"""Work that takes longer than a request may: finding the groups of new assets."""

from datetime import timedelta

from wakeline_ingest import usecases
from wakeline_ingest.resources import Resources
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_messaging import Job, JobLease, Jobs

jobs = Jobs()
PAUSE = timedelta(minutes=1)


@jobs.on(usecases.GROUP_JOB, lease=timedelta(seconds=60), attempts=5)
async def group(lease: JobLease[MongoIngestUnitOfWork, Resources]) -> None:
    """Place the next assets of one dataset; its id is the job's, so a dataset is done serially."""
    dataset_id = lease.job.payload["dataset_id"]
    placed, more = await usecases.plan_groups(lease.read().library, dataset_id)

    async def place(uow: MongoIngestUnitOfWork) -> None:
        await usecases.place(uow, dataset_id, placed, more)

    await lease.finish(place)


@jobs.on_failed(usecases.GROUP_JOB)
async def try_again_later(job: Job, _: Exception, uow: MongoIngestUnitOfWork) -> None:
    """Never give a dataset up: its images are stored, and would wait for a group for ever."""
    uow.collection("jobs").delete({"_id": job.row_id})
    uow.enqueue(job.kind, job.id, job.payload, not_before=uow.now + PAUSE)
