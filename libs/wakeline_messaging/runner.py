"""Runs jobs: rows that a runner leases, with heartbeats, tries again, and gives up."""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import structlog
from pymongo import ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from wakeline_messaging.jobs import Job, JobHopelessError, JobLease, Jobs, Kind, LeaseLostError
from wakeline_messaging.processing import Stores
from wakeline_storage import store_is_away
from wakeline_telemetry import correlation, metrics, tracing

log = structlog.get_logger()

CRASHES = 20
"""A job whose lease was lost this often is given up: it is taken to kill whoever runs it. Attempts
that end in an error are counted apart, by its kind's own limit."""
_LOST = {"$ifNull": ["$lost", 0]}
"""An earlier release did not count them apart: its rows go on as if all had ended in an error."""
SUSPECT = 3
"""From this attempt on a job runs alone, so that it cannot drag others down with it."""
IN_ORDER = [("priority", -1), ("created_at", 1)]
IDLE = 0.5
"""Seconds between looks for work when there was none."""


class JobKillsRunnerError(JobHopelessError):
    """Every process that ran this job ended without a word."""

    code = "job-kills-runner"


class JobRunner:
    """Leases jobs and runs them, until told to stop."""

    def __init__(
        self, database: AsyncDatabase[dict[str, Any]], jobs: Jobs, stores: Stores, resources: Any
    ) -> None:
        self._rows = database["jobs"]
        self._jobs = jobs
        self._stores = stores
        self._resources = resources
        self._due = {name: asyncio.Event() for name in jobs.kinds}
        self._idle: Counter[str] = Counter()
        for kind in jobs.kinds:  # a counter that begins with its first failure shows no increase
            for outcome in ("retried", "given-up"):
                metrics.job_failures_total.labels(kind, outcome)

    async def run(self, stop: asyncio.Event) -> None:
        """Work on all kinds at once; what is in hand at the end is given back."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look(stop))
            for kind in self._jobs.kinds.values():
                for _ in range(kind.concurrency):
                    group.create_task(self._work(kind, stop))

    async def _look(self, stop: asyncio.Event) -> None:
        """Look for work on behalf of all who have none: one read, where each would write."""
        renewed = False
        while not stop.is_set():
            await _pause(stop, IDLE)
            idle = {name for name, workers in self._idle.items() if workers}
            try:
                if not renewed:
                    await self._renew()
                    renewed = True
                while idle and (row := await self._rows.find_one(_ripe(*idle), {"kind": 1})):
                    self._due[row["kind"]].set()
                    idle.remove(row["kind"])
            except PyMongoError as error:
                log.warning("jobs wait", cause=f"{type(error).__name__}: {error}")
        for due in self._due.values():
            due.set()

    async def _renew(self) -> None:
        """Go on with what must happen some day, and an earlier release took for a killer.

        It gave such a job up after as many errors as make one that kills its runner.
        """
        for_ever = [kind.name for kind in self._jobs.kinds.values() if kind.attempts > CRASHES]
        mistaken = {
            "kind": {"$in": for_ever},
            "state": "failed",
            "failed_at": {"$gt": datetime(1970, 1, 1, tzinfo=UTC)},  # for its index
            "error": {"$regex": f"^{JobKillsRunnerError.__name__}"},
            "lost": {"$exists": False},
        }
        anew = {"state": "queued", "attempt": 0, "owner": None, "not_before": "$$NOW"}
        await self._rows.update_many(mistaken, [{"$set": anew}, {"$unset": "failed_at"}])

    async def _work(self, kind: Kind, stop: asyncio.Event) -> None:
        due = self._due[kind.name]
        while not stop.is_set():
            try:
                due.clear()
                lease = await self.lease(kind)
                if lease is None:
                    self._idle[kind.name] += 1
                    await due.wait()
                    self._idle[kind.name] -= 1
                    continue
                if lease.jobs[0].lost >= CRASHES:
                    await self._give_up(kind, lease)
                    continue
                await self._until_done(kind, lease, stop)
            except PyMongoError as error:
                log.warning("jobs wait", kind=kind.name, cause=f"{type(error).__name__}: {error}")
                await _pause(stop, 1.0)

    async def lease(self, kind: Kind) -> JobLease[Any, Any] | None:
        """Take up to a batch of jobs whose time has come, by the database's clock."""
        owner = uuid4().hex
        milliseconds = int(kind.lease.total_seconds() * 1000)
        take = [
            {
                "$set": {
                    "state": "running",
                    "owner": owner,
                    "attempt": {"$add": ["$attempt", 1]},
                    "interrupted": {"$eq": ["$state", "running"]},
                    "lost": {
                        "$cond": [
                            {"$eq": ["$state", "running"]},
                            {"$add": [_LOST, 1]},
                            {"$min": [_LOST, "$attempt"]},  # none of one that begins anew
                        ]
                    },
                    # A running job is due again when its lease is over.
                    "not_before": {"$add": ["$$NOW", milliseconds]},
                }
            }
        ]
        first = await self._rows.find_one_and_update(
            _ripe(kind.name), take, sort=IN_ORDER, return_document=ReturnDocument.AFTER
        )
        if first is None:
            return None
        rows = [first]
        if kind.batch > 1 and first["attempt"] < SUSPECT:
            due = {**_ripe(kind.name), "attempt": {"$lt": SUSPECT - 1}}
            following = self._rows.find(due, {"_id": 1}, sort=IN_ORDER, limit=kind.batch - 1)
            if ids := [row["_id"] async for row in following]:
                # What another runner was quicker at is not due any more.
                await self._rows.update_many({**due, "_id": {"$in": ids}}, take)
                taken = {"_id": {"$in": ids}, "owner": owner}
                rows += await self._rows.find(taken, sort=IN_ORDER).to_list()
        jobs = [
            Job(
                row_id=row["_id"],
                kind=kind.name,
                payload=row["payload"],
                attempt=row["attempt"],
                lost=row["lost"],
                asked=row["asked"],
                interrupted=row["interrupted"],
                trace=row.get("trace"),
                correlation=row.get("correlation"),
            )
            for row in rows
        ]
        return JobLease(jobs, owner, self._stores, self._resources)

    async def _until_done(self, kind: Kind, lease: JobLease[Any, Any], stop: asyncio.Event) -> None:
        run = asyncio.create_task(self._run(kind, lease))
        heart = asyncio.create_task(self._beat(kind, lease, run))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({run, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not run.done():
                run.cancel()
                await asyncio.wait({run})
                await self._give_back(lease)
        finally:
            heart.cancel()
            stopping.cancel()

    async def _run(self, kind: Kind, lease: JobLease[Any, Any]) -> None:
        started = time.perf_counter()
        first = lease.jobs[0]
        correlation.bind(first.correlation)
        try:
            with tracing.span(f"job {kind.name}", parent=first.trace, jobs=len(lease.jobs)):
                await kind.run(lease)
            if not lease.finished:
                await lease.finish(_nothing)
        except LeaseLostError as error:
            log.warning("job lost", kind=kind.name, cause=str(error))
        except Exception as cause:
            if store_is_away(cause):
                log.warning("job waits for a store", kind=kind.name, cause=str(cause))
                await self._give_back_patiently(lease)
                return
            log.error("job failed", kind=kind.name, jobs=[j.id for j in lease.jobs], exc_info=cause)
            for job in lease.jobs:
                await self._again_or_never(kind, lease, job, cause)
        finally:
            metrics.job_seconds.labels(kind.name).observe(time.perf_counter() - started)

    async def _beat(self, kind: Kind, lease: JobLease[Any, Any], run: asyncio.Task[None]) -> None:
        held = {"_id": {"$in": [j.row_id for j in lease.jobs]}, "owner": lease.owner}
        milliseconds = int(kind.lease.total_seconds() * 1000)
        while True:
            await asyncio.sleep(kind.lease.total_seconds() / 3)
            try:
                extend = [{"$set": {"not_before": {"$add": ["$$NOW", milliseconds]}}}]
                result = await self._rows.update_many(held, extend)
            except PyMongoError:
                continue
            if result.matched_count < len(lease.jobs) and not lease.finished:
                run.cancel()  # cancelled, or somebody else's: stop as soon as possible
                return

    async def _give_back(self, lease: JobLease[Any, Any]) -> None:
        """A stop or an outage is no failure of the job: the attempt does not count."""
        await self._rows.update_many(
            {"_id": {"$in": [j.row_id for j in lease.jobs]}, "owner": lease.owner},
            [
                {
                    "$set": {
                        "state": "queued",
                        "owner": None,
                        "not_before": "$$NOW",
                        "attempt": {"$subtract": ["$attempt", 1]},
                    }
                }
            ],
        )

    async def _give_back_patiently(self, lease: JobLease[Any, Any]) -> None:
        """Give jobs back as soon as the database answers, so that the attempt does not count."""
        while True:
            await asyncio.sleep(1.0)
            try:
                return await self._give_back(lease)
            except PyMongoError as error:
                log.warning("jobs wait for the database", cause=type(error).__name__)

    async def _give_up(self, kind: Kind, lease: JobLease[Any, Any]) -> None:
        for job in lease.jobs:
            row = await self._rows.find_one({"_id": job.row_id}, {"error": 1})
            before = (row or {}).get("error") or ""
            why = f"its process ended {job.lost} times without a word"
            if before and not before.startswith(JobKillsRunnerError.__name__):
                why += f"; the last error before was {before}"
            cause = JobKillsRunnerError(why)
            log.error("job given up", kind=kind.name, job=job.id, cause=str(cause))
            await self._again_or_never(kind, lease, job, cause)

    async def _again_or_never(
        self, kind: Kind, lease: JobLease[Any, Any], job: Job, cause: Exception
    ) -> None:
        errors = job.attempt - job.lost
        again = errors < kind.attempts and not isinstance(cause, JobHopelessError)

        async def body(session: AsyncClientSession) -> None:
            uow = self._stores.open(session)
            rows = uow.collection("jobs")
            held = {"_id": job.row_id, "owner": lease.owner, "attempt": job.attempt}
            why = f"{type(cause).__name__}: {cause}"[:2_000]
            if again:
                later = uow.now + timedelta(seconds=min(60, 2 ** min(job.attempt, 6)))
                change = {"state": "queued", "owner": None, "not_before": later, "error": why}
                rows.update(held, {"$set": change})
            elif await rows.find_one(held) is not None:
                gone = {"state": "failed", "owner": None, "error": why, "failed_at": uow.now}
                rows.update(held, {"$set": gone})
                if kind.failed is not None:
                    await kind.failed(job, cause, uow)
            await uow.write()

        await self._stores.transactions.run(body)
        outcome = "retried" if again else "given-up"
        metrics.job_failures_total.labels(kind.name, outcome).inc()


def _ripe(*kinds: str) -> dict[str, Any]:
    """Jobs whose time has come, by the database's clock."""
    return {
        "kind": {"$in": kinds},
        "state": {"$in": ["queued", "running"]},
        "$expr": {"$lte": ["$not_before", "$$NOW"]},
    }


async def _nothing(_: Any) -> None:
    """The body of a job whose effect is already stored."""


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
