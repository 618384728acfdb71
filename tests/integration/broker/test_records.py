"""Records and their offsets, as services may rely on them in any Kafka, a real one too."""

import asyncio
import time

import confluent_kafka
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
)
from tests.integration.broker.conftest import Client, MakeTopic, Message
from tests.integration.broker.kit import NOW_MS, consumer_of

pytestmark = pytest.mark.kafka


async def test_records_come_back_as_they_were_sent(
    writer: Client, reader: Client, make_topic: MakeTopic
) -> None:
    topic = await make_topic()
    headers = (("b", b"2"), ("a", b"1"), ("b", b"2"), ("b", b""), ("bytes", bytes(range(256))))
    sent = [
        Message(b"with headers", b"key", headers, NOW_MS - 5000),
        Message(b"", b"", (), NOW_MS - 4000),
        Message(None, b"\x00\xff", (("tombstone", b""),), NOW_MS - 6000),
        Message("größer 日本".encode(), None, (("ключ", b"utf-8"),), NOW_MS),
    ]
    assert await writer.write(topic, sent) == [0, 1, 2, 3]
    assert await reader.read(topic, len(sent)) == sent


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_compressed_records_are_readable(
    codec: str, writer: Client, reader: Client, make_topic: MakeTopic
) -> None:
    topic = await make_topic()
    sent = [Message(b"%d" % i * 200, b"k", (), NOW_MS + i) for i in range(50)]
    await writer.write(topic, sent, **{"compression.type": codec})
    assert await reader.read(topic, len(sent)) == sent


async def test_idempotent_producer_keeps_order_without_duplicates(
    writer: Client, reader: Client, make_topic: MakeTopic
) -> None:
    topic = await make_topic()
    values = [b"%d" % i for i in range(3000)]
    offsets = await writer.write(
        topic, [Message(v) for v in values], **{"enable.idempotence": True}
    )
    assert offsets == list(range(3000))
    assert [m.value for m in await reader.read(topic, 3000)] == values


async def test_message_over_the_topics_limit_is_refused_and_the_next_one_is_not(
    bootstrap: str, writer: Client, reader: Client, make_topic: MakeTopic
) -> None:
    topic = await make_topic(configs={"max.message.bytes": "2000"})
    with pytest.raises((MessageSizeTooLargeError, confluent_kafka.KafkaException)) as refused:
        await writer.write(topic, [Message(b"x" * 5000)])
    assert "TOO_LARGE" in str(refused.value).upper() or isinstance(
        refused.value, MessageSizeTooLargeError
    )
    await writer.write(topic, [Message(b"small")])
    assert [m.value for m in await reader.read(topic, 1)] == [b"small"]


async def test_message_larger_than_the_fetch_limits_is_still_delivered(
    bootstrap: str, aiokafka: Client, make_topic: MakeTopic
) -> None:
    topic = await make_topic()
    big = bytes(200_000)
    await aiokafka.write(topic, [Message(b"before"), Message(big), Message(b"after")])
    async with consumer_of(
        bootstrap, topic, max_partition_fetch_bytes=1000, fetch_max_bytes=1000
    ) as consumer:
        values = [(await asyncio.wait_for(consumer.getone(), 10)).value for _ in range(3)]
    assert values == [b"before", big, b"after"]


async def test_waiting_consumer_gets_a_record_at_once(
    bootstrap: str, make_topic: MakeTopic
) -> None:
    topic = await make_topic()
    async with (
        consumer_of(bootstrap, topic, fetch_max_wait_ms=20_000) as consumer,
        AIOKafkaProducer(bootstrap_servers=bootstrap) as producer,
    ):
        waiting = asyncio.create_task(consumer.getone())
        await asyncio.sleep(1)
        start = time.monotonic()
        await producer.send_and_wait(topic, b"now")
        assert (await asyncio.wait_for(waiting, 5)).value == b"now"
        assert time.monotonic() - start < 2


async def test_fetch_waits_for_min_bytes_but_not_longer_than_told(
    bootstrap: str, make_topic: MakeTopic, aiokafka: Client
) -> None:
    topic = await make_topic()
    await aiokafka.write(topic, [Message(b"little")])
    async with consumer_of(
        bootstrap, topic, fetch_min_bytes=100_000, fetch_max_wait_ms=1500
    ) as consumer:
        start = time.monotonic()
        assert (await asyncio.wait_for(consumer.getone(), 10)).value == b"little"
        assert 1.2 < time.monotonic() - start < 5


async def test_read_committed_sees_what_was_written_without_transactions(
    bootstrap: str, make_topic: MakeTopic, writer: Client
) -> None:
    topic = await make_topic()
    await writer.write(topic, [Message(b"plain")], **{"enable.idempotence": True})
    async with consumer_of(bootstrap, topic, isolation_level="read_committed") as consumer:
        assert (await asyncio.wait_for(consumer.getone(), 10)).value == b"plain"


async def test_offsets_are_found_by_time(
    bootstrap: str, make_topic: MakeTopic, aiokafka: Client
) -> None:
    topic = await make_topic()
    times = [NOW_MS - 9000, NOW_MS - 8000, NOW_MS - 8000, NOW_MS - 5000]
    await aiokafka.write(topic, [Message(b"one batch", timestamp_ms=t) for t in times])
    for ago in (4000, 3000):
        await aiokafka.write(topic, [Message(b"own batch", timestamp_ms=NOW_MS - ago)])
    expected = {
        9500: (0, NOW_MS - 9000),
        8500: (1, NOW_MS - 8000),
        5000: (3, NOW_MS - 5000),
        4999: (4, NOW_MS - 4000),
        3500: (5, NOW_MS - 3000),
        1000: None,
    }
    partition = TopicPartition(topic, 0)
    async with consumer_of(bootstrap, topic) as consumer:
        assert await consumer.beginning_offsets([partition]) == {partition: 0}
        assert await consumer.end_offsets([partition]) == {partition: 6}
        for ago, found in expected.items():
            answer = (await consumer.offsets_for_times({partition: NOW_MS - ago}))[partition]
            assert (answer and (answer.offset, answer.timestamp)) == found, ago
    other = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": topic})
    asked = [confluent_kafka.TopicPartition(topic, 0, NOW_MS - 4500)]
    (answer,) = await asyncio.to_thread(other.offsets_for_times, asked, 10)
    assert answer.offset == 4
    assert await asyncio.to_thread(other.get_watermark_offsets, asked[0], 10) == (0, 6)
    await asyncio.to_thread(other.close)


async def test_offsets_by_time_look_into_compressed_batches(
    bootstrap: str, make_topic: MakeTopic, writer: Client
) -> None:
    topic = await make_topic()
    sent = [Message(b"x" * 50, timestamp_ms=NOW_MS - 1000 + i) for i in range(100)]
    await writer.write(topic, sent, **{"compression.type": "gzip", "linger.ms": 200})
    partition = TopicPartition(topic, 0)
    async with consumer_of(bootstrap, topic) as consumer:
        answer = await consumer.offsets_for_times({partition: NOW_MS - 1000 + 42})
    assert answer[partition].offset == 42
    assert answer[partition].timestamp == NOW_MS - 1000 + 42


async def test_consumer_seeks_anywhere(
    bootstrap: str, make_topic: MakeTopic, aiokafka: Client
) -> None:
    topic = await make_topic()
    await aiokafka.write(topic, [Message(b"%d" % i) for i in range(100)])
    partition = TopicPartition(topic, 0)
    async with consumer_of(bootstrap, topic, auto_offset_reset="none") as consumer:
        for offset in (50, 0, 99, 17):
            consumer.seek(partition, offset)
            record = await asyncio.wait_for(consumer.getone(), 10)
            assert (record.offset, record.value) == (offset, b"%d" % offset)
        consumer.seek(partition, 1000)
        with pytest.raises(OffsetOutOfRangeError):
            await asyncio.wait_for(consumer.getone(), 10)
