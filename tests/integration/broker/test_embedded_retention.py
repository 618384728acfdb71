"""What the embedded broker deletes, and what never."""

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from tests.integration.broker.conftest import (
    Aiokafka,
    Message,
    eventually,
)
from tests.integration.broker.kit import (
    TOPIC,
    Start,
    admin_of,
    bounds,
    create_topic,
    segments,
)

from wakeline_embedded.broker import server

pytestmark = pytest.mark.kafka


async def test_old_segments_are_deleted_by_time_and_the_log_goes_on(embedded: Start) -> None:
    broker = embedded()
    await create_topic(broker, retention_ms="1500", segment_bytes="2000")
    client = Aiokafka(broker.bootstrap)
    for _ in range(5):
        await client.write(TOPIC, [Message(b"x" * 1500)])
    assert len(segments(broker)) == 5
    await eventually(lambda: sum(path.stat().st_size for path in segments(broker)) == 0, 8)
    assert await bounds(broker) == (5, 5)
    broker.kill()
    broker.start()
    assert await client.write(TOPIC, [Message(b"next")]) == [5]


async def test_old_segments_are_deleted_by_size(embedded: Start) -> None:
    broker = embedded()
    await create_topic(broker, retention_bytes="5000", segment_bytes="2000")
    client = Aiokafka(broker.bootstrap)
    for _ in range(10):
        await client.write(TOPIC, [Message(b"x" * 1500)])
    await eventually(lambda: len(segments(broker)) == 4, 8)
    first, end = await bounds(broker)
    assert (first, end) == (6, 10)


async def test_nothing_is_deleted_by_default(embedded: Start) -> None:
    broker = embedded()
    await create_topic(broker, segment_bytes="2000")
    for _ in range(5):
        old = Message(b"x" * 1500, timestamp_ms=1_000_000_000_000)
        await Aiokafka(broker.bootstrap).write(TOPIC, [old])
    await asyncio.sleep(server.RETENTION_INTERVAL + 0.5)
    assert await bounds(broker) == (0, 5)


async def test_deleted_records_stay_deleted_after_a_restart(embedded: Start) -> None:
    broker = embedded()
    await create_topic(broker, segment_bytes="2000")
    for _ in range(6):
        await Aiokafka(broker.bootstrap).write(TOPIC, [Message(b"x" * 700)])
    async with admin_of(broker) as admin:
        await admin.delete_records({TopicPartition(TOPIC, 0): RecordsToDelete(5)})
    assert len(segments(broker)) == 1
    broker.kill()
    broker.start()
    assert await bounds(broker) == (5, 6)
