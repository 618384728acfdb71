"""Work that takes longer than a handler may: looking at pictures."""

from datetime import timedelta

from wakeline_messaging import Job, JobLease, Jobs
from wakeline_prediction.resources import Resources
from wakeline_prediction.store.unit_of_work import MongoPredictionUnitOfWork
from wakeline_prediction.usecases import predicting, projection, repredicting

FOR_EVER = 1_000_000
"""Attempts at what must happen some day: it is tried again until it works."""

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
