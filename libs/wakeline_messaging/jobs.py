"""Work that takes longer than a handler may: what a runner has of it, and how it ends it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Generic, TypeVar

import structlog
from pymongo.asynchronous.client_session import AsyncClientSession

from wakeline_messaging.processing import Stores
from wakeline_messaging.unit_of_work import UnitOfWork

log = structlog.get_logger()

U = TypeVar("U", bound=UnitOfWork[Any])
R = TypeVar("R")


class JobHopelessError(Exception):
    """Trying again would go the same way: the job is given up at once."""

    code = "job-hopeless"


class LeaseLostError(Exception):
    """Another runner holds the job now, or it was cancelled: this attempt must not count."""

    code = "job-lease-lost"


@dataclass(frozen=True)
class Job:
    """One attempt at one job."""

    row_id: str
    kind: str
    payload: dict[str, Any]
    attempt: int
    """1 for the first; only the current attempt may finish."""
    lost: int
    """Of the attempts before, those that ended without a word; the others ended in an error."""
    asked: int
    interrupted: bool
    """The attempt before ended without a word: its process died, or was out of touch too long."""
    trace: str | None
    correlation: str | None

    @property
    def id(self) -> str:
        """The id it was asked for with."""
        return self.row_id.removeprefix(f"{self.kind}:")


class JobLease(Generic[U, R]):
    """The jobs that a runner holds at the moment, and the only way to end them."""

    def __init__(self, jobs: list[Job], owner: str, stores: Stores, resources: R) -> None:
        self.jobs = jobs
        self.resources = resources
        self.owner = owner
        self._stores = stores
        self.finished = False

    @property
    def job(self) -> Job:
        """The job of a lease of one."""
        (job,) = self.jobs
        return job

    def read(self) -> U:
        """A unit of work outside any transaction, to look things up with."""
        uow: Any = self._stores.open(None)
        reader: U = uow
        return reader

    async def transaction(self, body: Callable[[U], Awaitable[None]]) -> None:
        """Store a step on the way, only if this attempt still holds its jobs."""
        await self._run(body, finish=False)

    async def finish(self, body: Callable[[U], Awaitable[None]]) -> None:
        """Store the result and end the jobs in one transaction.

        Raises
        ------
        LeaseLostError
            If a heartbeat came too late and somebody else has a job of these now.
        """
        await self._run(body, finish=True)
        self.finished = True

    async def excuse(self) -> None:
        """Say that the work outlived the process that had it before: its end counts nothing."""
        if not self.job.interrupted:
            return
        job = self.job
        before = replace(job, attempt=job.attempt - 1, lost=job.lost - 1, interrupted=False)

        async def count_back(uow: U) -> None:
            row = {"_id": before.row_id, "owner": self.owner}
            counts = {"attempt": before.attempt, "lost": before.lost}
            uow.collection("jobs").update(row, {"$set": counts})

        await self._run(count_back, finish=False)
        self.jobs = [before]

    async def _run(self, body: Callable[[U], Awaitable[None]], *, finish: bool) -> None:
        async def transaction(session: AsyncClientSession) -> None:
            uow: Any = self._stores.open(session)
            await self._hold(uow, finish=finish)
            await body(uow)
            await uow.write()

        await self._stores.transactions.run(transaction)

    async def _hold(self, uow: UnitOfWork[Any], *, finish: bool) -> None:
        """Lock the rows of all jobs in one write, so that nobody else gets them meanwhile."""
        rows = uow.collection("jobs")
        held = {"_id": {"$in": [job.row_id for job in self.jobs]}, "owner": self.owner}
        rows.update_many(held, {"$set": {"touched_at": uow.now}})
        here = {row["_id"]: row for row in await rows.find(held)}
        done: list[str] = []
        for job in self.jobs:
            row = here.get(job.row_id)
            if row is None or row["attempt"] != job.attempt:
                raise LeaseLostError(f"job {job.row_id} attempt {job.attempt}")
            if finish and row["asked"] == job.asked:
                done.append(job.row_id)
            elif finish:
                again = {"state": "queued", "attempt": 0, "not_before": uow.now, "owner": None}
                rows.update({"_id": job.row_id}, {"$set": again})
        if done:
            rows.delete_many({"_id": {"$in": done}})


Run = Callable[[JobLease[Any, Any]], Awaitable[None]]
Failed = Callable[[Job, Exception, Any], Awaitable[None]]


@dataclass
class Kind:
    """How jobs of one kind are run."""

    name: str
    run: Run
    batch: int
    lease: timedelta
    attempts: int
    concurrency: int
    failed: Failed | None = None


@dataclass
class Jobs:
    """A service's table of job kinds."""

    kinds: dict[str, Kind] = field(default_factory=dict)

    def on(
        self,
        kind: str,
        *,
        batch: int = 1,
        lease: timedelta = timedelta(seconds=60),
        attempts: int = 5,
        concurrency: int = 1,
    ) -> Callable[[Run], Run]:
        """Register how jobs of a kind are run."""

        def register(run: Run) -> Run:
            self.kinds[kind] = Kind(kind, run, batch, lease, attempts, concurrency)
            return run

        return register

    def on_failed(self, kind: str) -> Callable[[Failed], Failed]:
        """Register what is stored when a job of a kind is given up."""

        def register(failed: Failed) -> Failed:
            self.kinds[kind].failed = failed
            return failed

        return register
