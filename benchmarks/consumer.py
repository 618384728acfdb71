"""Taking in events: real handlers with their effects, marks and events of their own, a second.

``EVENTS`` (default 10,000) of each kind, each of its own asset, lie in Kafka, and their project is
known: what comes before its project waits, which costs more, but happens once. The review service
takes in labels, stores its reviews and accepts each label with an event; the prediction service
takes in opened tasks, stores its targets and leaves a job for each. The yardstick is a consumer
of the same records that stores each batch's documents, with one bulk write, and commits; it knows
its records by their offsets, so that a batch may come again.
"""

import asyncio
import os
import time
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from aiokafka import ConsumerRecord
from pymongo import ReplaceOne

from benchmarks import events
from benchmarks.servers import migrated, servers
from wakeline_events.base import Event
from wakeline_events.registry import topic_of
from wakeline_messaging import Envelope, EventConsumer, Processor
from wakeline_messaging.kafka import KafkaSettings, consumer, producer
from wakeline_messaging.processing import BATCH
from wakeline_prediction import settings as prediction_settings
from wakeline_prediction import wiring as prediction
from wakeline_process.runtime import Runtime
from wakeline_process.service import Service
from wakeline_review import settings as review_settings
from wakeline_review import wiring as review
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, settings_of

EVENTS = int(os.environ.get("EVENTS", "10000"))
YARDSTICK = "consume the same records, one bulk write of documents a batch"
GOALS = {"review_ratio": (">=", 0.4), "prediction_ratio": (">=", 0.4)}


async def measure() -> dict[str, Any]:
    """Take in both kinds, and both once more for the yardstick."""
    found: dict[str, Any] = {}
    for name, make in (("review", events.completed), ("prediction", events.opened)):
        async with servers() as scope:
            service = _service(name, scope)
            await configure(scope)
            async with migrated(service) as runtime:
                await _take_in(runtime, 1)
                await send(service.settings.kafka, map(make, range(EVENTS)))
                ours = await _take_in(runtime, EVENTS)
                bare = await _store(runtime, EVENTS + 1)
        found |= {
            f"{name}_ratio": round(bare / ours, 3),
            f"{name}_events_per_second": round(EVENTS / ours),
            f"{name}_bare_events_per_second": round(EVENTS / bare),
        }
    return found | {"events": EVENTS}


def _service(name: str, scope: Scope) -> Service[Any, Any]:
    if name == "review":
        return review.service(settings_of(scope, "review", review_settings.Settings))
    return prediction.service(settings_of(scope, "prediction", prediction_settings.Settings))


async def configure(scope: Scope) -> None:
    """Put a project's configuration on the topic of labeling."""
    await Publisher(scope).publish(events.configured())


async def send(settings: KafkaSettings, made: Iterable[Event]) -> None:
    """Put events on their topics, each the first of its stream."""
    client = producer(settings)
    await client.start()
    try:
        envelopes = [events.first(event, settings.topic_prefix) for event in made]
        await asyncio.gather(
            *[
                await client.send(e.topic, value=e.data, key=e.key.encode(), headers=e.headers())
                for e in envelopes
            ]
        )
    finally:
        await client.stop()


class Counting(Processor):
    """Notes when the first batch came and when so many events were taken in."""

    def __init__(self, runtime: Runtime, expected: int) -> None:
        handlers = runtime.service.handlers
        assert handlers is not None
        super().__init__(handlers, runtime.stores)
        self.started = self.ended = 0.0
        self.done = asyncio.Event()
        self._expected = expected

    async def process(self, events: Sequence[Envelope]) -> None:
        self.started = self.started or time.perf_counter()
        await super().process(events)
        self._expected -= len(events)
        if self._expected <= 0:
            self.ended = time.perf_counter()
            self.done.set()


async def _take_in(runtime: Runtime, expected: int) -> float:
    """Seconds from the first batch until all events are taken in by the service's consumer."""
    settings, processor = runtime.service.settings.kafka, Counting(runtime, expected)
    topics = [topic_of("labeling", settings.topic_prefix)]
    ours = EventConsumer(runtime.database, settings, runtime.service.name, topics, processor)
    stop = asyncio.Event()
    running = asyncio.create_task(ours.run(stop))
    try:
        await processor.done.wait()
    finally:
        stop.set()
        await running
    return processor.ended - processor.started


def _as_document(record: ConsumerRecord) -> ReplaceOne[dict[str, Any]]:
    name = f"{record.topic}-{record.partition}-{record.offset}"
    document = orjson.loads(record.value) | {"key": record.key.decode()}
    return ReplaceOne({"_id": name}, document, upsert=True)


async def _store(runtime: Runtime, expected: int) -> float:
    """Seconds to store the same records, batch by batch."""
    settings = runtime.service.settings.kafka
    rows = runtime.database["benchmark_bare"]
    client = consumer(settings, "benchmark-bare")
    client.subscribe([topic_of("labeling", settings.topic_prefix)])
    await client.start()
    try:
        started = 0.0
        while expected > 0:
            fetched = await client.getmany(timeout_ms=200, max_records=BATCH)
            started = started or (time.perf_counter() if fetched else 0.0)
            records = [record for each in fetched.values() for record in each]
            if records:
                await rows.bulk_write([_as_document(record) for record in records])
                await client.commit()
                expected -= len(records)
        return time.perf_counter() - started
    finally:
        await client.stop()
