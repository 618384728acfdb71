"""Jobs on a real MongoDB: leased, lost, and given up when they kill whoever runs them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from wakeline_blobs import BlobAccessDeniedError, BlobStoreUnavailableError, BucketMissingError
from wakeline_messaging import (
    Decision,
    Job,
    JobRows,
    JobRunner,
    Jobs,
    JobSettledError,
    NoSuchJobError,
    UnitOfWork,
    create_indexes,
)
from wakeline_messaging.indexes import FAILED_JOB_SECONDS
from wakeline_messaging.jobs import JobLease, LeaseLostError
from wakeline_messaging.runner import CRASHES, SUSPECT
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


async def decided(
    runtime: Runtime, decide: Callable[[Any, str, Decision], Awaitable[None]], row_id: str
) -> None:
    async def body(session: Any) -> None:
        uow = runtime.stores.open(session)
        await decide(uow, row_id, Decision("p-operator"))
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
        died = {"attempt": CRASHES + 1, "lost": CRASHES, "error": "ValueError: no such colour"}
        await rows.update_one({"_id": "work:bee"}, {"$set": died})
        runner, stop = JobRunner(runtime.database, jobs, runtime.stores, None), asyncio.Event()
        running = asyncio.create_task(runner.run(stop))
        with suppress(TimeoutError):
            async with asyncio.timeout(20):
                while await rows.count_documents({"state": {"$ne": "failed"}}):
                    await asyncio.sleep(0.05)
        stop.set()
        await running
        assert sorted(done) == ["ant", "cat", "dog"]
        ((name, why),) = given_up
        assert name == "bee"
        assert why.startswith(f"its process ended {CRASHES} times without a word")
        assert why.endswith("ValueError: no such colour")
        row = await rows.find_one({"_id": "work:bee"})
        assert row is not None
        assert row["error"] == f"JobKillsRunnerError: {why}"


async def test_attempts_that_end_in_an_error_and_lost_ones_are_counted_apart(
    scope: Scope,
) -> None:
    jobs = Jobs()
    jobs.on("work")(finish)
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        await ask(runtime, "ant")
        rows = runtime.database["jobs"]
        runner = JobRunner(runtime.database, jobs, runtime.stores, None)

        async def lease() -> Job:
            held = await runner.lease(jobs.kinds["work"])
            assert held is not None
            return held.job

        for lost in range(3):  # and none of these is a failure of its own
            job = await lease()
            assert (job.attempt, job.lost) == (lost + 1, lost)
            await as_if_the_runner_died(runtime)
        await rows.update_one({}, {"$set": {"state": "queued"}})  # it ended in an error
        job = await lease()
        assert (job.attempt, job.lost) == (4, 2)
        await rows.update_one({}, {"$set": {"state": "queued", "attempt": 0}})
        await as_if_the_runner_died(runtime)
        job = await lease()
        assert (job.attempt, job.lost) == (1, 0)


@pytest.mark.parametrize(("attempts", "lost", "left"), [(2, 5, "queued"), (1, 5, "failed")])
async def test_a_job_may_fail_as_often_as_its_kind_allows_however_often_it_was_lost(
    scope: Scope, attempts: int, lost: int, left: str
) -> None:
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        await ask(runtime, "ant")
        before = {"attempt": lost, "lost": lost}
        await runtime.database["jobs"].update_one({}, {"$set": before})
        row = await failed_once(runtime, attempts)
        assert (row["state"], row["error"]) == (left, "ValueError: no such colour")


async def test_what_must_happen_some_day_is_not_given_up_however_often_it_fails(
    scope: Scope,
) -> None:
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        await ask(runtime, "ant")
        # As an earlier release left it, which did not count the lost ones apart.
        await runtime.database["jobs"].update_one({}, {"$set": {"attempt": 3 * CRASHES}})
        row = await failed_once(runtime, 1_000_000)
        assert (row["state"], row["error"]) == ("queued", "ValueError: no such colour")


async def test_what_an_earlier_release_took_for_a_killer_goes_on_if_it_must_happen_some_day(
    scope: Scope,
) -> None:
    jobs = Jobs()
    jobs.on("work", attempts=1_000_000)(finish)
    jobs.on("play")(finish)
    mistaken = {
        "state": "failed", "attempt": 21, "failed_at": datetime.now(UTC), "owner": None,
        "error": "JobKillsRunnerError: its process ended 20 times without a word",
    }  # fmt: skip
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        await ask(runtime, *WORDS)
        rows = runtime.database["jobs"]
        await rows.update_many({}, {"$set": mistaken})
        await rows.update_one({"_id": "work:ant"}, {"$set": {"kind": "play"}})
        await rows.update_one({"_id": "work:bee"}, {"$set": {"lost": CRASHES}})
        await rows.update_one({"_id": "work:cat"}, {"$set": {"error": "JobHopelessError: no"}})
        runner, stop = JobRunner(runtime.database, jobs, runtime.stores, None), asyncio.Event()
        running = asyncio.create_task(runner.run(stop))
        async with asyncio.timeout(20):
            while await rows.find_one({"_id": "work:dog"}) is not None:
                await asyncio.sleep(0.05)
        stop.set()
        await running
        left = {row["_id"]: row["state"] async for row in rows.find()}
        assert left == dict.fromkeys(("work:ant", "work:bee", "work:cat"), "failed")


async def failed_once(runtime: Runtime, attempts: int) -> dict[str, Any]:
    """The row of the one job after one more attempt that ended in an error."""
    jobs = Jobs()

    @jobs.on("work", attempts=attempts)
    async def work(_: JobLease[UnitOfWork[None], None]) -> None:
        raise ValueError("no such colour")

    runner, stop = JobRunner(runtime.database, jobs, runtime.stores, None), asyncio.Event()
    running = asyncio.create_task(runner.run(stop))
    ended = {"error": {"$exists": True}}
    async with asyncio.timeout(20):
        while (row := await runtime.database["jobs"].find_one(ended)) is None:
            await asyncio.sleep(0.05)
    stop.set()
    await running
    found: dict[str, Any] = row
    return found


async def given_up(runtime: Runtime, *ids: str) -> None:
    """Let jobs fail as often as their kind allows."""
    jobs = Jobs()

    @jobs.on("work", attempts=1)
    async def work(_: JobLease[UnitOfWork[None], None]) -> None:
        raise ValueError("no such colour")

    await ask(runtime, *ids)
    runner, stop = JobRunner(runtime.database, jobs, runtime.stores, None), asyncio.Event()
    running = asyncio.create_task(runner.run(stop))
    async with asyncio.timeout(20):
        while await runtime.database["jobs"].count_documents({"state": {"$ne": "failed"}}):
            await asyncio.sleep(0.05)
    stop.set()
    await running


async def test_a_job_that_was_given_up_is_shown_with_its_cause_and_runs_again_when_told_to(
    scope: Scope,
) -> None:
    done, jobs = [], Jobs()

    @jobs.on("work")
    async def work(lease: JobLease[UnitOfWork[None], None]) -> None:
        done.append((lease.job.id, lease.job.attempt))

    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        await create_indexes(runtime.database)
        await given_up(runtime, "ant", "bee")
        rows = JobRows(runtime.database)
        listed = await rows.list("failed")
        assert [one["_id"] for one in listed] == ["work:ant", "work:bee"]
        assert {one["error"] for one in listed} == {"ValueError: no such colour"}
        assert [one["_id"] for one in await rows.list("failed", "work:ant")] == ["work:bee"]
        assert await rows.list("queued") == await rows.list("running") == []
        with pytest.raises(JobSettledError, match="told that it failed"):
            await decided(runtime, JobRows(runtime.database, ["work"]).retry, "work:ant")

        await decided(runtime, rows.retry, "work:ant")
        for decide in (rows.retry, rows.discard):  # it is queued now
            with pytest.raises(NoSuchJobError):
                await decided(runtime, decide, "work:ant")
        await decided(runtime, rows.discard, "work:bee")
        runner, stop = JobRunner(runtime.database, jobs, runtime.stores, None), asyncio.Event()
        running = asyncio.create_task(runner.run(stop))
        async with asyncio.timeout(20):
            while await runtime.database["jobs"].count_documents({}):
                await asyncio.sleep(0.05)
        stop.set()
        await running
        assert done == [("ant", 1)]


async def test_a_job_that_was_given_up_is_kept_for_a_month_and_no_other_one_ever_goes(
    scope: Scope,
) -> None:
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        await create_indexes(runtime.database)
        await given_up(runtime, "old", "new", "undated")
        await ask(runtime, "queued")
        jobs = runtime.database["jobs"]
        long_ago = datetime.now(UTC) - timedelta(seconds=FAILED_JOB_SECONDS + 60)
        at = {"$set": {"failed_at": long_ago}}
        await jobs.update_many({"_id": {"$in": ["work:old", "work:queued"]}}, at)
        await jobs.update_one({"_id": "work:undated"}, {"$unset": {"failed_at": ""}})
        await create_indexes(runtime.database)  # as each start of a release does
        assert len(await JobRows(runtime.database).list("failed")) == 3
        admin = runtime.client.admin
        await admin.command("setParameter", 1, ttlMonitorSleepSecs=1)
        try:
            async with asyncio.timeout(90):  # the first look may still be a minute away
                while await jobs.find_one({"_id": "work:old"}) is not None:
                    await asyncio.sleep(0.1)
        finally:
            await admin.command("setParameter", 1, ttlMonitorSleepSecs=60)
        left = {row["_id"] async for row in jobs.find()}
        assert left == {"work:new", "work:undated", "work:queued"}


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
