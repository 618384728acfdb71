"""What services may rely on in any Kafka: runs unchanged on the embedded broker and a real one."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import confluent_kafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidPartitionsError,
    KafkaError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    for_code,
)
from confluent_kafka.admin import AdminClient
from tests.integration.broker.conftest import Client, MakeTopic, Message, eventually

pytestmark = pytest.mark.kafka

SESSION_TIMEOUT_S = 6
NOW_MS = int(time.time() * 1000)


@asynccontextmanager
async def consumer_of(
    bootstrap: str, *topics: str, group: str | None = None, **options: Any
) -> AsyncIterator[AIOKafkaConsumer]:
    """An aiokafka consumer that reads from the beginning, commits nothing by itself."""
    settings = {
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "session_timeout_ms": SESSION_TIMEOUT_S * 1000,
        "heartbeat_interval_ms": 300,
        "metadata_max_age_ms": 1000,
        **options,
    }
    async with AIOKafkaConsumer(
        *topics, bootstrap_servers=bootstrap, group_id=group, **settings
    ) as consumer:
        yield consumer


# ---- Records


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


# ---- Offsets


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


# ---- Groups


async def test_group_resumes_where_it_committed(
    bootstrap: str, make_topic: MakeTopic, aiokafka: Client, name: str, admin: AIOKafkaAdminClient
) -> None:
    topic = await make_topic()
    partition = TopicPartition(topic, 0)
    await aiokafka.write(topic, [Message(b"%d" % i) for i in range(10)])
    async with consumer_of(bootstrap, topic, group=name) as consumer:
        for _ in range(4):
            await asyncio.wait_for(consumer.getone(), 10)
        await consumer.commit({partition: (4, "a note")})
        await asyncio.wait_for(consumer.getone(), 10)  # read, but not committed
    committed = await admin.list_consumer_group_offsets(name)
    assert (committed[partition].offset, committed[partition].metadata) == (4, "a note")
    async with consumer_of(bootstrap, topic, group=name) as consumer:
        assert (await asyncio.wait_for(consumer.getone(), 10)).value == b"4"


async def test_librdkafka_group_commits_and_resumes(
    bootstrap: str, make_topic: MakeTopic, aiokafka: Client, name: str
) -> None:
    topic = await make_topic()
    await aiokafka.write(topic, [Message(b"%d" % i) for i in range(6)])

    def read_three() -> list[bytes | None]:
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": name,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )
        consumer.subscribe([topic])
        values: list[bytes | None] = []
        deadline = time.monotonic() + 20
        while len(values) < 3 and time.monotonic() < deadline:
            values += [m.value() for m in consumer.consume(3 - len(values), 1) if not m.error()]
        consumer.commit(offsets=[confluent_kafka.TopicPartition(topic, 0, 3)], asynchronous=False)
        consumer.close()
        return values

    assert await asyncio.to_thread(read_three) == [b"0", b"1", b"2"]
    assert await asyncio.to_thread(read_three) == [b"3", b"4", b"5"]


async def test_two_members_share_the_partitions_and_one_takes_over_when_the_other_leaves(
    bootstrap: str, make_topic: MakeTopic, name: str
) -> None:
    topic = await make_topic(4)
    async with consumer_of(bootstrap, topic, group=name) as stays:
        await eventually(lambda: len(stays.assignment()) == 4, 10)
        async with consumer_of(bootstrap, topic, group=name) as leaves:
            await eventually(lambda: len(leaves.assignment()) == len(stays.assignment()) == 2, 10)
            assert not stays.assignment() & leaves.assignment()
        await eventually(lambda: len(stays.assignment()) == 4, 5)


async def test_members_of_both_libraries_share_a_group(
    bootstrap: str, make_topic: MakeTopic, name: str
) -> None:
    topic = await make_topic(4)
    options = {
        "bootstrap.servers": bootstrap,
        "group.id": name,
        "partition.assignment.strategy": "roundrobin",
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 300,
    }
    other = confluent_kafka.Consumer(options)
    other.subscribe([topic])
    async with consumer_of(bootstrap, topic, group=name) as consumer:
        for _ in range(200):
            await asyncio.to_thread(other.poll, 0.05)
            if len(consumer.assignment()) == 2 == len(other.assignment()):
                break
            await asyncio.sleep(0)
        mine = {(p.topic, p.partition) for p in consumer.assignment()}
        theirs = {(p.topic, p.partition) for p in other.assignment()}
        assert len(mine) == len(theirs) == 2
        assert not mine & theirs
        await asyncio.to_thread(other.close)


MEMBER = """
import asyncio, sys
from aiokafka import AIOKafkaConsumer

async def main(bootstrap, topic, group):
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group,
                                session_timeout_ms=6000, heartbeat_interval_ms=300)
    await consumer.start()
    while not consumer.assignment():
        await asyncio.sleep(0.05)
    print("joined", flush=True)
    await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_member_that_dies_without_leaving_loses_its_partitions_after_its_session_timeout(
    bootstrap: str, make_topic: MakeTopic, name: str
) -> None:
    topic = await make_topic(4)
    async with consumer_of(bootstrap, topic, group=name) as survivor:
        await eventually(lambda: len(survivor.assignment()) == 4, 10)
        command = [sys.executable, "-c", MEMBER, bootstrap, topic, name]
        victim = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        assert victim.stdout is not None
        assert await victim.stdout.readline() == b"joined\n"
        await eventually(lambda: len(survivor.assignment()) == 2, 10)
        victim.kill()
        await victim.wait()
        took = await eventually(lambda: len(survivor.assignment()) == 4, SESSION_TIMEOUT_S + 6)
        assert took > SESSION_TIMEOUT_S - 2, "its session was not over yet"


async def test_commit_from_outside_a_living_group_is_refused(
    bootstrap: str, make_topic: MakeTopic, name: str
) -> None:
    topic = await make_topic()
    partition = TopicPartition(topic, 0)
    async with consumer_of(bootstrap, topic, group=name) as member:
        await eventually(lambda: bool(member.assignment()), 10)
        async with consumer_of(bootstrap, group=name) as outsider:
            outsider.assign([partition])
            with pytest.raises(KafkaError):
                await outsider.commit({partition: 7})
        await member.commit({partition: 3})
        assert await member.committed(partition) == 3


async def test_groups_are_listed_described_and_deleted(
    bootstrap: str, make_topic: MakeTopic, name: str
) -> None:
    topic = await make_topic()
    librdkafka = AdminClient({"bootstrap.servers": bootstrap})

    async def state() -> Any:
        (future,) = librdkafka.describe_consumer_groups([name]).values()
        description = await asyncio.to_thread(future.result, 10)
        return f"{description.state.name} {len(description.members)}"

    async with consumer_of(bootstrap, topic, group=name) as member:
        await eventually(lambda: bool(member.assignment()), 10)
        await member.commit({TopicPartition(topic, 0): 0})
        listing = await asyncio.to_thread(librdkafka.list_consumer_groups().result, 10)
        assert name in [g.group_id for g in listing.valid]
        assert await state() == "STABLE 1"
        (future,) = librdkafka.delete_consumer_groups([name]).values()
        with pytest.raises(confluent_kafka.KafkaException, match="NON_EMPTY_GROUP"):
            await asyncio.to_thread(future.result, 10)
    assert await state() == "EMPTY 0"
    (future,) = librdkafka.delete_consumer_groups([name]).values()
    await asyncio.to_thread(future.result, 10)
    listing = await asyncio.to_thread(librdkafka.list_consumer_groups().result, 10)
    assert name not in [g.group_id for g in listing.valid]


# ---- Administration


async def test_topics_are_created_grown_and_deleted(admin: AIOKafkaAdminClient, name: str) -> None:
    def error_of(answer: Any) -> str:
        return str(for_code(answer.topic_errors[0][1]).__name__)

    async def has_five() -> bool:
        return len((await admin.describe_topics([name]))[0]["partitions"]) == 5

    async def gone() -> bool:
        return name not in await admin.list_topics()

    assert error_of(await admin.create_topics([NewTopic(name, 2, 1)])) == "NoError"
    assert error_of(await admin.create_topics([NewTopic(name, 2, 1)])) == "TopicAlreadyExistsError"
    too_many = await admin.create_topics([NewTopic(name + "-3", 1, 3)])
    assert error_of(too_many) == "InvalidReplicationFactorError"
    illegal = await admin.create_topics([NewTopic("no/slashes", 1, 1)])
    assert error_of(illegal) == "InvalidTopicError"
    assert error_of(await admin.create_partitions({name: NewPartitions(5)})) == "NoError"
    await eventually(has_five, 5)
    with pytest.raises(InvalidPartitionsError):
        await admin.create_partitions({name: NewPartitions(3)})
    answer = await admin.delete_topics([name])
    assert answer.topic_error_codes[0][1] == 0
    await eventually(gone, 5)
    assert (await admin.delete_topics([name])).topic_error_codes[0][1] == 3


async def test_deleted_topic_of_the_same_name_begins_anew(
    bootstrap: str, admin: AIOKafkaAdminClient, make_topic: MakeTopic, aiokafka: Client, name: str
) -> None:
    topic = await make_topic()
    partition = TopicPartition(topic, 0)
    await aiokafka.write(topic, [Message(b"old")] * 3)
    async with consumer_of(bootstrap, group=name) as consumer:
        consumer.assign([partition])
        await consumer.commit({partition: 3})
    await admin.delete_topics([topic])

    async def gone() -> bool:
        return topic not in await admin.list_topics()

    await eventually(gone, 5)
    await asyncio.sleep(0.5)  # a real cluster forgets the group's offsets a little later
    await make_topic()
    await aiokafka.write(topic, [Message(b"new")])
    async with consumer_of(bootstrap, group=name) as consumer:
        consumer.assign([partition])
        record = await asyncio.wait_for(consumer.getone(), 10)
        assert (record.offset, record.value) == (0, b"new")


async def configs_of(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    """Return a topic's configurations with their values."""
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


async def test_configs_are_described_and_altered(
    admin: AIOKafkaAdminClient, make_topic: MakeTopic, name: str
) -> None:
    await make_topic(configs={"retention.ms": "86400000", "max.message.bytes": "5000"})
    configs = await configs_of(admin, name)
    assert configs["retention.ms"] == "86400000"
    assert configs["max.message.bytes"] == "5000"
    assert configs["cleanup.policy"] == "delete"
    change = ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": "3600000"})
    (answer,) = await admin.alter_configs([change])
    assert answer.resources[0][0] == 0

    async def altered() -> bool:
        return (await configs_of(admin, name))["retention.ms"] == "3600000"

    await eventually(altered, 5)
    configs = await configs_of(admin, name)
    assert configs["max.message.bytes"] != "5000", "what is not named goes back to its default"


@pytest.mark.parametrize(
    "configs", [{"retention.ms": "soon"}, {"no.such.config": "1"}, {"cleanup.policy": "burn"}]
)
async def test_senseless_configs_are_refused(
    admin: AIOKafkaAdminClient, name: str, configs: dict[str, str]
) -> None:
    answer = await admin.create_topics([NewTopic(name, 1, 1, topic_configs=configs)])
    assert for_code(answer.topic_errors[0][1]).__name__ == "InvalidConfigurationError"
    assert name not in await admin.list_topics()


async def test_deleted_records_are_gone_and_the_others_stay(
    bootstrap: str, admin: AIOKafkaAdminClient, make_topic: MakeTopic, aiokafka: Client
) -> None:
    topic = await make_topic()
    partition = TopicPartition(topic, 0)
    await aiokafka.write(topic, [Message(b"%d" % i) for i in range(10)])
    assert await admin.delete_records({partition: RecordsToDelete(6)}) == {partition: 6}
    async with consumer_of(bootstrap, topic) as consumer:
        assert await consumer.beginning_offsets([partition]) == {partition: 6}
        assert await consumer.end_offsets([partition]) == {partition: 10}
        assert (await asyncio.wait_for(consumer.getone(), 10)).offset == 6
        first = await consumer.offsets_for_times({partition: NOW_MS - 60_000})
        assert first[partition].offset == 6
    await admin.delete_records({partition: RecordsToDelete(-1)})
    assert await aiokafka.write(topic, [Message(b"next")]) == [10]


async def test_unknown_topic_is_an_error_and_is_not_created(
    bootstrap: str, admin: AIOKafkaAdminClient, name: str
) -> None:
    with pytest.raises(KafkaError):
        async with AIOKafkaProducer(
            bootstrap_servers=bootstrap, request_timeout_ms=1500
        ) as producer:
            await producer.send_and_wait(name, b"nobody there")
    failures: list[Any] = []
    librdkafka = confluent_kafka.Producer(
        {"bootstrap.servers": bootstrap, "topic.metadata.propagation.max.ms": 1000}
    )
    librdkafka.produce(name, b"nobody", on_delivery=lambda error, _: failures.append(error))
    await asyncio.to_thread(librdkafka.flush, 15)
    assert [f.name() for f in failures] in (["_UNKNOWN_TOPIC"], ["UNKNOWN_TOPIC_OR_PART"])
    assert name not in await admin.list_topics()
