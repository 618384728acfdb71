"""Records that no service of ours wrote, and errors that nobody foresaw."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from wakeline_messaging import Envelope, EventConsumer, Processor, UnknownMajorError
from wakeline_messaging.kafka import KafkaSettings, producer
from wakeline_process.runtime import open_runtime
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, running, settings_of

from .toy import ToySettings, handlers, ingested, rejected, toy

pytestmark = [pytest.mark.kafka, pytest.mark.mongo]


async def write(scope: Scope, *values: bytes) -> None:
    client = producer(KafkaSettings(bootstrap=scope.kafka_bootstrap))
    await client.start()
    for number, value in enumerate(values):
        await client.send_and_wait(await scope.topic("ingest"), value, key=f"k{number}".encode())
    await client.stop()


async def test_a_batch_in_which_nothing_is_an_event_holds_up_nothing(scope: Scope) -> None:
    async with running(toy(settings_of(scope, "prediction", ToySettings)), scope) as service:
        await write(scope, b"\x00\xff", b"", b"[" * 10_000)
        await service.settled()
        dead = await service.database["dead"].find({}).to_list()
        assert {row["reason"] for row in dead} == {"malformed"}
        assert len(dead) == 3
        await Publisher(scope).publish(ingested("a"))
        await service.settled()
        assert await service.database["assets"].count_documents({}) == 1


async def test_what_never_was_an_event_is_not_tried_again_but_let_go(scope: Scope) -> None:
    async with running(toy(settings_of(scope, "prediction", ToySettings)), scope) as service:
        await write(scope, b"\x00")
        await service.settled()
        (dead,) = await service.database["dead"].find().to_list()
        operator, of_it = service.client("admin"), {"id": dead["_id"]}
        url = "/v1/operations/prediction/dead"
        refused = await operator.post(f"{url}/retry", params=of_it)
        assert (refused.status_code, refused.json()["code"]) == (409, "not-an-event")
        assert await service.database["dead"].find().to_list() == [dead]
        assert await service.database["parked"].count_documents({}) == 0
        assert (await operator.post(f"{url}/discard", params=of_it)).status_code == 204
        assert await service.database["dead"].count_documents({}) == 0
        assert await service.database["marks"].find_one({"_id": dead["stream"]}) is None


async def test_a_row_that_cannot_be_read_goes_back_to_the_dead_and_holds_up_no_other(
    scope: Scope,
) -> None:
    """An earlier release let the operator try such a row again, and ended with each sweep."""
    publisher = Publisher(scope)
    lost, released = (publisher.envelope(rejected("b", f"l{n}")) for n in range(2))
    failed = publisher.envelope(rejected("a", "l"))
    too_new = replace(publisher.envelope(ingested("c")), dataschema="x/asset.ingested/99.json")
    due = {"reason": "failed", "tries": 0, "next_try": datetime(2000, 1, 1, tzinfo=UTC)}
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        processor = Processor(handlers, runtime.stores)
        await processor.process([publisher.envelope(ingested(name)) for name in "ab"])
        await processor.process([released])
        await runtime.database["marks"].insert_one({"_id": lost.stream, "sequence": 1})
        record = {"stream": "t|", "topic": "t", "key": "b'k'", "sequence": 0, "type": "malformed"}
        unreadable = {"_id": "t|0@7", **record, "data": b"x", "cause": "no event", **due}
        for row in (unreadable, too_new.document() | due, failed.document() | due):
            await runtime.database["parked"].insert_one(row)
        await runtime.database["waiting"].insert_one({**unreadable, "_id": "t|0@8"})
        with pytest.raises(UnknownMajorError):
            await processor.sweep()
        dead = await runtime.database["dead"].find().to_list()
        assert {row["_id"]: row["reason"] for row in dead} == dict.fromkeys(
            ("t|0@7", "t|0@8"), "malformed"
        )
        (left,) = await runtime.database["parked"].find().to_list()
        assert left["_id"] == too_new.row_id
        assert await runtime.database["waiting"].count_documents({}) == 0
        assert await runtime.database["assets"].count_documents({"rejected": 1}) == 2


async def test_an_unforeseen_error_ends_the_consumer_instead_of_hiding(scope: Scope) -> None:
    class Broken(Processor):
        async def process(self, events: Sequence[Envelope]) -> None:
            raise IndexError("nobody thought of this")

    settings = settings_of(scope, "prediction", ToySettings)
    async with open_runtime(toy(settings)) as runtime:
        processor = Broken(handlers, runtime.stores)
        topics = [await scope.topic("ingest")]
        database: Any = runtime.database
        consumer = EventConsumer(database, settings.kafka, "broken", topics, processor)
        await Publisher(scope).publish(ingested("a"))
        with pytest.raises(ExceptionGroup) as raised:
            async with asyncio.timeout(60):
                await consumer.run(asyncio.Event())
        assert raised.group_contains(IndexError, match="nobody thought of this")
