"""Records that no service of ours wrote, and errors that nobody foresaw."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from wakeline_messaging import Envelope, EventConsumer, Processor
from wakeline_messaging.kafka import KafkaSettings, producer
from wakeline_process.runtime import open_runtime
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, running, settings_of

from .toy import ToySettings, handlers, ingested, toy

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
