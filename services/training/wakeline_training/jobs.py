"""Which job causes which use case, and what is stored when one is given up."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from wakeline_messaging import Job, JobHopelessError, JobLease, Jobs
from wakeline_storage import store_is_away
from wakeline_training.domain.run import Failure, FailureCode
from wakeline_training.ports import Body, TrainingUnitOfWork
from wakeline_training.resources import Resources
from wakeline_training.store.unit_of_work import MongoTrainingUnitOfWork
from wakeline_training.usecases import freezing, gating, running

log = structlog.get_logger()

Lease = JobLease[MongoTrainingUnitOfWork, Resources]
MOST_STARTS = 10
"""A job that was begun this often without an end is given up; its trainer's own failures count to
three, and a runner that went while its trainer goes on elsewhere counts nothing."""
jobs = Jobs()


class PatientSteps:
    """The transactions of a leased job; a database that is away is waited for.

    A trainer goes on meanwhile. If the lease is lost in that time, the next step says so.
    """

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    def read(self) -> TrainingUnitOfWork:
        """Reads outside of any transaction."""
        return self._lease.read()

    async def transaction(self, body: Body) -> None:
        """Store a step on the way."""
        await _patiently(lambda: self._lease.transaction(body))

    async def finish(self, body: Body) -> None:
        """Store the result and end the job."""
        await _patiently(lambda: self._lease.finish(body))

    async def excuse(self) -> None:
        """Say that the work outlived its runner."""
        await _patiently(self._lease.excuse)


async def _patiently(step: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await step()
        except Exception as error:
            if not store_is_away(error):
                raise
            log.warning("waiting for the database", cause=type(error).__name__)
            await asyncio.sleep(1.0)


@jobs.on("freeze", lease=timedelta(seconds=30), attempts=5, concurrency=1)
async def freeze(lease: Lease) -> None:
    """Freeze the dataset version of a run."""
    resources = lease.resources
    await freezing.freeze(
        PatientSteps(lease), resources.archive, _run_of(lease.job), resources.scratch
    )


@jobs.on("train", lease=timedelta(seconds=15), attempts=MOST_STARTS, concurrency=1)
async def train(lease: Lease) -> None:
    """Make one attempt at training, or go on with one that outlived its runner."""
    resources, run_id = lease.resources, _run_of(lease.job)
    if lease.job.attempt > MOST_STARTS:
        await resources.launcher.end(run_id)
        failure = Failure(code="trainer-failed", detail=f"begun {MOST_STARTS} times, never ended")
        await lease.finish(lambda uow: running.give_up(uow, run_id, failure))
        return
    training = running.Training(
        resources.archive, resources.launcher, resources.trainer, resources.trainer_store
    )
    try:
        await running.train(PatientSteps(lease), training, run_id)
    except running.RunHopelessError as error:
        await resources.launcher.end(run_id)
        raise JobHopelessError(str(error)) from error


@jobs.on("gate", lease=timedelta(seconds=15), attempts=5, concurrency=2)
async def gate(lease: Lease) -> None:
    """Judge the model of a run, and publish it unless it is shown to be worse."""
    resources = lease.resources
    await gating.judge(
        PatientSteps(lease), resources.archive, _run_of(lease.job), resources.gate_wait
    )


@jobs.on_failed("freeze")
async def freeze_failed(job: Job, cause: Exception, uow: TrainingUnitOfWork) -> None:
    """End the run."""
    await _give_up(uow, job, cause, "freeze-failed")


@jobs.on_failed("train")
async def train_failed(job: Job, cause: Exception, uow: TrainingUnitOfWork) -> None:
    """End the run."""
    await _give_up(uow, job, cause, "trainer-failed")


@jobs.on_failed("gate")
async def gate_failed(job: Job, cause: Exception, uow: TrainingUnitOfWork) -> None:
    """End the run: a model that could not be judged does not serve."""
    await _give_up(uow, job, cause, "gate-failed")


async def _give_up(uow: TrainingUnitOfWork, job: Job, cause: Exception, code: FailureCode) -> None:
    known = isinstance(cause, JobHopelessError)
    detail = str(cause)[:2_000] if known else f"{type(cause).__name__}: {cause}"[:2_000]
    await running.give_up(uow, _run_of(job), Failure(code=code, detail=detail))


def _run_of(job: Job) -> str:
    run_id: str = job.payload["run_id"]
    return run_id
