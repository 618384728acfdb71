"""Which targets go first, and what becomes of work that something overtakes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import orjson
import pytest

from wakeline_events.base import Asset
from wakeline_messaging import Envelope, JobRunner, Processor
from wakeline_prediction.archive import BlobArchive
from wakeline_prediction.handlers import handlers
from wakeline_prediction.jobs import jobs
from wakeline_prediction.migrations import MIGRATIONS
from wakeline_prediction.ports import Picture
from wakeline_prediction.wiring import service
from wakeline_process.runtime import Runtime, open_runtime
from wakeline_storage import migrate
from wakeline_telemetry import metrics
from wakeline_testing import Scope
from wakeline_testing.interleaving import interleaved, replayed, state_hash
from wakeline_testing.running import Publisher

from .kit import (
    OWN,
    THRESHOLD,
    bright_model,
    closed,
    configured,
    ingest,
    opened,
    publication,
    register,
    requested,
    retirement,
    settings,
)

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


@asynccontextmanager
async def runtime_of(scope: Scope) -> AsyncIterator[Runtime]:
    """A service's stores without its loops, so that a test decides what happens when."""
    async with open_runtime(service(settings(scope))) as runtime:
        await migrate(runtime.database, MIGRATIONS)
        yield runtime


async def clear(runtime: Runtime) -> None:
    """Begin anew."""
    names = set(await runtime.database.list_collection_names()) - {"migrations"}
    await asyncio.gather(*(runtime.database[name].delete_many({}) for name in names))


@dataclass
class Workers:
    """Runs jobs one lease at a time."""

    runtime: Runtime

    async def step(self, kind: str) -> list[str]:
        """Lease and run once; returns the ids of the jobs."""
        runtime = self.runtime
        runner = JobRunner(runtime.database, jobs, runtime.stores, runtime.resources)
        lease = await runner.lease(jobs.kinds[kind])
        if lease is None:
            return []
        await jobs.kinds[kind].run(lease)
        if not lease.finished:
            await lease.finish(_nothing)
        return [job.id for job in lease.jobs]

    async def all(self) -> None:
        """Run until there is nothing to do."""
        while await self.step("repredict") or await self.step("predict"):
            pass


async def _nothing(_: Any) -> None:
    """No effect."""


async def answers_of(runtime: Runtime) -> dict[str, tuple[int, str, str | None]]:
    """Epoch, predictor and prediction of each target that somebody waits for."""
    rows = (
        await runtime.database["targets"]
        .find({"$or": [{"open": True}, {"holdout": True}]})
        .to_list()
    )
    return {
        row["task_id"]: (
            row["answer"]["epoch"],
            row["answer"]["predictor"],
            row["answer"]["prediction_id"],
        )
        for row in rows
        if row["task_id"] is not None and row["answer"] is not None
    }


async def emitted(runtime: Runtime) -> list[dict[str, Any]]:
    """What stands in the outbox, in order."""
    rows = await runtime.database["outbox"].find({}, sort=[("key", 1), ("sequence", 1)]).to_list()
    return [orjson.loads(row["data"]) for row in rows]


def handled() -> float:
    """How many events were handled so far; those that came again are none."""
    samples = metrics.handled_events_total.collect()[0].samples
    return sum(
        each.value
        for each in samples
        if each.name.endswith("_total") and each.labels["outcome"] == "handled"
    )


async def test_the_most_urgent_are_leased_first_and_the_unknown_before_the_sure(
    stocked: Scope,
) -> None:
    publisher = Publisher(stocked)
    shown = [await ingest(stocked, f"a{n}") for n in range(20)]
    async with runtime_of(stocked) as runtime:
        processor, workers = Processor(handlers, runtime.stores), Workers(runtime)
        events = [opened(each, priority=n) for n, each in enumerate(shown)]
        await processor.process([publisher.envelope(each) for each in events])
        first = await workers.step("predict")
        assert [name.rpartition("a")[2] for name in first] == [str(n) for n in range(19, 3, -1)]


async def test_work_in_flight_is_thrown_away_and_redone_when_a_model_is_published(
    stocked: Scope,
) -> None:
    publisher = Publisher(stocked)
    await register(stocked, "v1", bright_model())
    shown = [await ingest(stocked, name) for name in ("a", "b")]

    class Overtaken(BlobArchive):
        """Publishes a model while the first picture is being read."""

        async def picture(self, asset: Asset) -> Picture:
            if pending:
                await processor.process([pending.pop()])
            return await super().picture(asset)

    async with runtime_of(stocked) as runtime:
        processor = Processor(handlers, runtime.stores)
        events = [configured(OWN, THRESHOLD), *(opened(each) for each in shown)]
        await processor.process([publisher.envelope(each) for each in events])
        pending: list[Envelope] = [publisher.envelope(publication("v1", 1))]
        world = replace(runtime.resources.world, archive=Overtaken(runtime.resources.blobs))
        slow = replace(runtime, resources=replace(runtime.resources, world=world))
        await Workers(slow).step("predict")
        assert pending == []
        assert await emitted(runtime) == []
        await Workers(runtime).all()
        assert {(e["predictor"], e["serving_epoch"]) for e in await emitted(runtime)} == {
            ("own", 1)
        }
        assert len(await emitted(runtime)) == 2


def _history(publisher: Publisher, shown: list[Asset]) -> list[Envelope]:
    """What labeling and training say over a while, in an order that they may say it in."""
    tasks = [opened(each, priority=n, holdout=n % 3 == 0) for n, each in enumerate(shown)]
    events = [
        configured(THRESHOLD),
        *tasks,
        publication("v1", 1),
        configured(OWN, THRESHOLD, version=2),
        *(closed(task) for task in tasks[::4]),
        publication("v2", 2),
        *(requested(task, priority=90) for task in tasks[1::2]),
        *tasks[:1],
        retirement("v2", 3),
        publication("v1", 4),
        *(closed(task) for task in tasks[2::4]),
    ]
    return [publisher.envelope(event) for event in events]


async def test_any_interleaving_with_redeliveries_gives_one_state(stocked: Scope) -> None:
    """40 seeded runs over the streams of labeling and training."""
    publisher = Publisher(stocked)
    shown = [await ingest(stocked, f"a{n}") for n in range(6)]
    envelopes = _history(publisher, shown)
    hashes, asked = set(), set()
    async with runtime_of(stocked) as runtime:
        processor = Processor(handlers, runtime.stores)
        for seed in range(40):
            await clear(runtime)
            random, before = Random(seed), handled()
            await replayed(processor, interleaved(envelopes, random), random)
            assert handled() - before == len(envelopes)
            assert await runtime.database["parked"].count_documents({}) == 0
            assert await runtime.database["waiting"].count_documents({}) == 0
            hashes.add(await state_hash(runtime.database))
            asked.add(tuple(sorted(await runtime.database["jobs"].distinct("_id"))))
            assert (len(hashes), len(asked)) == (1, 1), seed


async def test_jobs_between_the_events_change_nothing_about_the_end(stocked: Scope) -> None:
    """12 seeded runs with work done in between: the last answers are the same, epochs only rise."""
    publisher = Publisher(stocked)
    await register(stocked, "v1", bright_model())
    await register(stocked, "v2", bright_model(bias=0.2))
    shown = [await ingest(stocked, f"a{n}") for n in range(4)]
    envelopes = _history(publisher, shown)
    ends = set()
    async with runtime_of(stocked) as runtime:
        processor, workers = Processor(handlers, runtime.stores), Workers(runtime)
        for seed in range(12):
            await clear(runtime)
            random = Random(seed)
            for event in interleaved(envelopes, random):
                await processor.process([event])
                if random.random() < 0.3:
                    await workers.step(random.choice(("predict", "repredict")))
            await workers.all()
            ends.add(tuple(sorted((await answers_of(runtime)).items())))
            last: dict[str, int] = {}
            for said in await emitted(runtime):
                assert said["serving_epoch"] >= last.get(said["task_id"], 0)
                last[said["task_id"]] = said["serving_epoch"]
            wanted = await answers_of(runtime)
            assert {task: last[task] for task in wanted} == {
                task: epoch for task, (epoch, *_) in wanted.items()
            }
    (end,) = ends
    assert {(epoch, predictor) for _, (epoch, predictor, _) in end} == {(4, "own")}
