"""What a lease asks of a long queue is served by indexes: nothing is sorted, little is read.

The commands are those that the store really sends, recorded and explained by MongoDB.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient, monitoring

from wakeline_labeling.domain.queues import Claim, Labeler, Queue
from wakeline_labeling.domain.selection import SMALL_QUEUE, Stratum
from wakeline_labeling.store.queue import MongoSlotQueue
from wakeline_storage import BufferedCollection

from .conftest import STAGE, Lab

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]

QUEUED = 3_000
ANN = Queue(STAGE, Labeler("ann", "botanists", expert=False))
EVE = Queue(STAGE, Labeler("eve", "botanists", expert=True, only_expert=False))
RECORDED = ("find", "getMore", "aggregate", "findAndModify", "update")
OUTSIDE = ("lsid", "$db", "$clusterTime", "txnNumber", "readConcern", "writeConcern")


class Recorder(monitoring.CommandListener):
    """Keeps the commands that were sent."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in RECORDED:
            sent = dict(event.command)
            self.commands.append({key: sent[key] for key in sent if key not in OUTSIDE})

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


@asynccontextmanager
async def recorded(lab: Lab) -> AsyncIterator[tuple[MongoSlotQueue, Recorder]]:
    """The queue's store on a connection whose commands are recorded."""
    async with recording(lab) as (collection, recorder):
        yield MongoSlotQueue(collection("slots")), recorder


@asynccontextmanager
async def recording(
    lab: Lab,
) -> AsyncIterator[tuple[Callable[[str], BufferedCollection], Recorder]]:
    """Collections by name, on a connection whose commands are recorded."""
    recorder = Recorder()
    mongo = lab.service.process.runtime.service.settings.mongo
    async with AsyncMongoClient[dict[str, Any]](
        mongo.dsn.get_secret_value(), event_listeners=[recorder], tz_aware=True
    ) as client:
        yield lambda name: BufferedCollection(client[mongo.database][name], None), recorder


async def queue_of(lab: Lab, queued: int) -> None:
    """A queue among many slots that nobody waits for, in one stage."""
    await lab.configure()
    await lab.ingest(range(1))
    await lab.no_waiting()
    slots = lab.service.database["slots"]
    template = await slots.find_one()
    assert template is not None
    for state, number in (("queued", queued - 1), ("done", QUEUED)):
        await slots.insert_many(
            template
            | {
                "_id": f"{state}{n:05}.0",
                "task_id": f"{state}{n:05}",
                "state": state,
                "priority": n % 3,
                "rank": n * 0.618 % 1,
                "draw": n * 0.414 % 1,
            }
            for n in range(number)
        )


def stages(plan: Any) -> Iterator[dict[str, Any]]:
    """Every stage of the plan that won."""
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan
        for key, each in plan.items():
            if key != "rejectedPlans":
                yield from stages(each)
    elif isinstance(plan, list):
        for each in plan:
            yield from stages(each)


async def explain(lab: Lab, command: dict[str, Any]) -> tuple[set[str], int, int]:
    """The stages of a command's plan, and how many keys and documents it looks at."""
    found = await lab.service.database.command({"explain": command, "verbosity": "executionStats"})
    plan = [*stages(found)]
    keys = max((each.get("keysExamined", 0) for each in plan), default=0)
    documents = max((each.get("docsExamined", 0) for each in plan), default=0)
    return {each["stage"] for each in plan}, keys, documents


async def test_nothing_that_a_lease_asks_of_a_long_queue_is_sorted_or_scanned(lab: Lab) -> None:
    await queue_of(lab, QUEUED)
    lasts = timedelta(minutes=5)
    async with recorded(lab) as (queue, recorder):
        asked = {
            "front": (queue.front(STAGE, 64), 64),
            "first": (queue.claim_first(Claim(ANN, None, 1.0, lasts, "r1")), 1),
            "named": (queue.claim_all([Claim(ANN, "queued00007.0", 1.0, lasts, "r2")]), 2),
            "first for a reviewer": (queue.claim_first(Claim(EVE, None, 1.0, lasts, "r3")), 1),
            "candidates": (queue.candidates(ANN, 64), 64),
            "stratum": (queue.candidates(ANN, 0, within=Stratum(0.25, 0.28125)), 100),
            "request": (queue.requested("r2"), 1),
        }
        for name, (asking, most) in asked.items():
            recorder.commands.clear()
            assert await asking, name
            assert recorder.commands, name
            for command in recorder.commands:
                seen, _, documents = await explain(lab, command)
                assert seen.isdisjoint({"SORT", "COLLSCAN"}), (name, seen)
                assert documents <= most, name


async def test_a_queue_is_counted_without_looking_at_a_slot(lab: Lab) -> None:
    await queue_of(lab, QUEUED)
    async with recorded(lab) as (queue, recorder):
        assert await queue.queued(STAGE) == QUEUED
        (command,) = recorder.commands
        seen, keys, documents = await explain(lab, command)
    assert documents == 0, seen
    assert keys <= QUEUED + 1


@pytest.mark.parametrize("queued", [3, SMALL_QUEUE])
async def test_of_a_short_queue_each_slot_is_read_once_and_in_one_answer(
    lab: Lab, queued: int
) -> None:
    await queue_of(lab, queued)
    async with recorded(lab) as (queue, recorder):
        assert len(await queue.candidates(ANN, 2 * SMALL_QUEUE)) == queued
        (command,) = recorder.commands
        seen, keys, documents = await explain(lab, command)
    assert seen.isdisjoint({"SORT", "COLLSCAN"}), seen
    assert documents == queued
    assert keys <= queued + 1
