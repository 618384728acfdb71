"""Work that takes longer than a handler may: looking at pictures."""

from datetime import timedelta

import structlog

from wakeline_blobs import BlobError
from wakeline_messaging import Job, JobLease, Jobs
from wakeline_prediction import metrics
from wakeline_prediction.resources import Resources
from wakeline_prediction.store.unit_of_work import MongoPredictionUnitOfWork
from wakeline_prediction.usecases import collecting, predicting, projection, repredicting

FOR_EVER = 1_000_000
"""Attempts at what must happen some day: it is tried again until it works."""

log = structlog.get_logger()

Lease = JobLease[MongoPredictionUnitOfWork, Resources]
jobs = Jobs()


@jobs.on(projection.PREDICT, batch=16, lease=timedelta(seconds=60), attempts=5, concurrency=2)
async def predict(lease: Lease) -> None:
    """Answer for a batch of targets, the most urgent ones; a job's id is its target.

    Another batch is predicted while one is read or stored.
    """
    await predicting.predict(lease, [job.id for job in lease.jobs], lease.resources.world)


@jobs.on_failed(projection.PREDICT)
async def give_up(job: Job, cause: Exception, uow: MongoPredictionUnitOfWork) -> None:
    """Let the task be labeled without a pre-label; a request or another epoch tries again."""
    uow.collection("jobs").delete({"_id": job.row_id})
    await predicting.give_up(uow, job.id, type(cause).__name__, uow.resources.world)


@jobs.on(projection.REPREDICT, attempts=FOR_EVER)
async def repredict(lease: Lease) -> None:
    """Ask for a stage's targets again, since something else answers for them now."""
    await repredicting.repredict(lease, lease.job.payload["stage_id"], lease.resources.repredicted)


@jobs.on(projection.RELATE, attempts=FOR_EVER)
async def relate(lease: Lease) -> None:
    """Ask for the targets of related stages again, since another model answers for them now."""
    await repredicting.relate(lease, lease.job.payload["stage_id"])


@jobs.on(collecting.COLLECT, attempts=FOR_EVER)
async def collect(lease: Lease) -> None:
    """Delete what nothing refers to any more, again and again; the migrations ask for it first."""
    try:
        uploads, blobs = await collecting.collect(lease, lease.resources.world.archive)
    except BlobError as error:  # it is not urgent
        log.warning("collecting waits for the object store", cause=str(error))
    else:
        metrics.collected_total.labels("upload").inc(uploads)
        metrics.collected_total.labels("blob").inc(blobs)
        log.info("collected", uploads=uploads, blobs=blobs)
    await lease.finish(collecting.again)
