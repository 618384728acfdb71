"""Jobs on a real MongoDB: leased, lost, and given up when they kill whoever runs them."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from wakeline_blobs import BlobAccessDeniedError, BlobStoreUnavailableError, BucketMissingError
from wakeline_messaging import Job, JobRunner, Jobs, UnitOfWork
from wakeline_messaging.jobs import CRASHES, SUSPECT, JobLease, LeaseLostError
from wakeline_process.runtime import Runtime, open_runtime
from wakeline_testing import Scope
from wakeline_testing.running import settings_of

from .toy import ToySettings, toy

pytestmark = [pytest.mark.kafka, pytest.mark.mongo]
WORDS = ("ant", "bee", "cat", "dog")


async def ask(runtime: Runtime, *ids: str) -> None:
    async def body(session: Any) -> None:
        uow = runtime.stores.open(session)
        for id_ in ids:
            uow.enqueue("work", id_, {})
        await uow.write()

    await runtime.stores.transactions.run(body)


async def as_if_the_runner_died(runtime: Runtime) -> None:
    """Leases run out by the database's clock; nobody gave them back."""
    past = datetime(2000, 1, 1, tzinfo=UTC)
    await runtime.database["jobs"].update_many({}, {"$set": {"not_before": past}})


async def test_a_job_that_was_lost_before_runs_alone(scope: Scope) -> None:
    jobs = Jobs()
    jobs.on("work", batch=4)(finish)
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        await ask(runtime, *WORDS)
        runner = JobRunner(runtime.database, jobs, runtime.stores, None)
        together = await runner.lease(jobs.kinds["work"])
        assert together is not None
        assert {job.id for job in together.jobs} == set(WORDS)
        alone = []
        for _ in range(SUSPECT - 1):
            await as_if_the_runner_died(runtime)
            alone = [await runner.lease(jobs.kinds["work"]) for _ in WORDS]
        assert sorted(lease.job.id for lease in alone if lease is not None) == sorted(WORDS)
        assert {lease.job.attempt for lease in alone if lease is not None} == {SUSPECT}


async def test_runners_that_lease_at_the_same_time_never_get_the_same_job(scope: Scope) -> None:
    jobs = Jobs()
    jobs.on("work", batch=4)(finish)
    ids = {f"job {number}" for number in range(40)}
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        await ask(runtime, *ids)
        runner = JobRunner(runtime.database, jobs, runtime.stores, None)
        leased: list[str] = []
        while len(leased) < len(ids):
            turn = await asyncio.gather(*(runner.lease(jobs.kinds["work"]) for _ in range(5)))
            got = [job.id for lease in turn if lease is not None for job in lease.jobs]
            assert got, "due jobs were not given to anybody"
            leased += got
    assert sorted(leased) == sorted(ids)


async def test_a_batch_of_which_one_job_was_lost_stores_nothing(scope: Scope) -> None:
    jobs = Jobs()
    jobs.on("work", batch=4)(finish)
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        await ask(runtime, *WORDS)
        rows = runtime.database["jobs"]
        runner = JobRunner(runtime.database, jobs, runtime.stores, None)
        lease = await runner.lease(jobs.kinds["work"])
        assert lease is not None
        await rows.update_one({"_id": "work:cat"}, {"$set": {"owner": "another runner"}})
        with pytest.raises(LeaseLostError, match="work:cat"):
            await finish(lease)
        assert await rows.count_documents({}) == len(WORDS)
        await rows.update_one({"_id": "work:cat"}, {"$set": {"owner": lease.owner}})
        await ask(runtime, "dog")  # while it runs: it is wanted once more
        await finish(lease)
        (left,) = await rows.find().to_list()
        assert (left["_id"], left["state"], left["owner"]) == ("work:dog", "queued", None)


async def test_a_job_that_kills_whoever_runs_it_is_given_up_with_its_cause(scope: Scope) -> None:
    jobs, done, given_up = Jobs(), [], []

    @jobs.on("work", batch=4)
    async def work(lease: JobLease[UnitOfWork[None], None]) -> None:
        done.extend(job.id for job in lease.jobs)
        await finish(lease)

    @jobs.on_failed("work")
    async def failed(job: Job, cause: Exception, _: UnitOfWork[None]) -> None:
        given_up.append((job.id, str(cause)))

    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        await ask(runtime, *WORDS)
        rows = runtime.database["jobs"]
        await rows.update_one({"_id": "work:bee"}, {"$set": {"attempt": CRASHES}})
        runner, stop = JobRunner(runtime.database, jobs, runtime.stores, None), asyncio.Event()
        running = asyncio.create_task(runner.run(stop))
        with suppress(TimeoutError):
            async with asyncio.timeout(20):
                while await rows.count_documents({"state": {"$ne": "failed"}}):
                    await asyncio.sleep(0.05)
        stop.set()
        await running
        assert sorted(done) == ["ant", "cat", "dog"]
        assert given_up == [("bee", f"its process ended {CRASHES} times without a word")]
        row = await rows.find_one({"_id": "work:bee"})
        assert row is not None
        assert row["error"].startswith("JobKillsRunnerError")


async def finish(lease: JobLease[UnitOfWork[None], None]) -> None:
    async def nothing(_: UnitOfWork[None]) -> None:
        return

    await lease.finish(nothing)


@pytest.mark.parametrize(
    "cause",
    [
        BlobStoreUnavailableError("the object store is out of reach"),
        BlobAccessDeniedError("AccessDenied for labels/x"),
        BucketMissingError("labels"),
        OperationFailure("not authorized on wakeline_review", 13),
    ],
    ids=lambda cause: type(cause).__name__,
)
async def test_a_store_that_is_away_or_refuses_its_service_is_no_failure_of_a_job(
    scope: Scope, cause: Exception
) -> None:
    jobs, tries = Jobs(), []

    @jobs.on("work", attempts=1)
    async def work(lease: JobLease[UnitOfWork[None], None]) -> None:
        tries.append(lease.job.attempt)
        if len(tries) < 3:
            raise cause

    @jobs.on_failed("work")
    async def failed(job: Job, cause: Exception, _: UnitOfWork[None]) -> None:
        raise AssertionError(f"given up because of {cause}")

    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        await ask(runtime, "ant")
        runner, stop = JobRunner(runtime.database, jobs, runtime.stores, None), asyncio.Event()
        running = asyncio.create_task(runner.run(stop))
        async with asyncio.timeout(30):
            while await runtime.database["jobs"].count_documents({}):
                await asyncio.sleep(0.05)
        stop.set()
        await running
        assert tries == [1, 1, 1]
