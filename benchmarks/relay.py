"""Sending an outbox: events that Kafka took, a second, and gone from MongoDB.

``EVENTS`` (default 20,000) labels of five boxes lie in an outbox, each in the stream of its own
asset, as after a burst of submits. The relay sends and deletes them; the yardstick sends the same
records from memory with the same producer.
"""

import asyncio
import os
import time
from typing import Any

from benchmarks import events
from benchmarks.servers import migrated, servers
from wakeline_labeling.settings import Settings
from wakeline_labeling.wiring import service
from wakeline_messaging import Envelope, Relay
from wakeline_messaging.kafka import KafkaSettings, producer
from wakeline_messaging.relay import PAGE
from wakeline_process.runtime import Runtime
from wakeline_testing.running import published, settings_of

EVENTS = int(os.environ.get("EVENTS", "20000"))
BATCH = 500
YARDSTICK = "aiokafka sends the same records"
GOALS = {"ratio": (">=", 0.4), "lost": ("==", 0)}


async def measure() -> dict[str, Any]:
    """Fill an outbox and send it, then send what it held once more."""
    async with servers() as scope:
        labeling = service(settings_of(scope, "labeling", Settings))
        async with migrated(labeling) as runtime:
            await _fill(runtime)
            ours = await _relay(runtime, labeling.settings.kafka)
            left = await runtime.database["outbox"].count_documents({})
        sent = await published(scope, "labeling")
        bare = await _send(labeling.settings.kafka, sent)
    return {
        "ratio": round(bare / ours, 3),
        "lost": EVENTS - left - len({envelope.row_id for envelope in sent}),
        "events_per_second": round(EVENTS / ours),
        "bare_events_per_second": round(EVENTS / bare),
        "events": EVENTS,
        "bytes_an_event": sum(len(e.data) for e in sent) // len(sent),
        "left": left,
    }


async def _fill(runtime: Runtime) -> None:
    for first in range(0, EVENTS, BATCH):

        async def body(session: Any, first: int = first) -> None:
            uow = runtime.stores.open(session)
            uow.emit(*(events.completed(n) for n in range(first, min(first + BATCH, EVENTS))))
            await uow.write()

        await runtime.stores.transactions.run(body)


async def _relay(runtime: Runtime, settings: KafkaSettings) -> float:
    """Seconds until the outbox is empty."""
    relay = Relay(runtime.database, "labeling", settings)
    client = producer(settings)
    await client.start()
    try:
        started = time.perf_counter()
        while await relay.pass_once(client):
            pass
        return time.perf_counter() - started
    finally:
        await client.stop()


async def _send(settings: KafkaSettings, envelopes: list[Envelope]) -> float:
    """Seconds until Kafka has taken the same records from memory."""
    records = [(e.topic, e.data, e.key.encode(), e.headers()) for e in envelopes]
    client = producer(settings)
    await client.start()
    try:
        started = time.perf_counter()
        for first in range(0, len(records), PAGE):
            await asyncio.gather(
                *[
                    await client.send(topic, value=value, key=key, headers=headers)
                    for topic, value, key, headers in records[first : first + PAGE]
                ]
            )
        return time.perf_counter() - started
    finally:
        await client.stop()
