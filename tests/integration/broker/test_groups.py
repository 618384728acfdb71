"""Consumer groups, as services may rely on them in any Kafka, a real one too."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import confluent_kafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    KafkaError,
)
from confluent_kafka.admin import AdminClient
from tests.integration.broker.conftest import Client, MakeTopic, Message, eventually
from tests.integration.broker.kit import SESSION_TIMEOUT_S, consumer_of

pytestmark = pytest.mark.kafka


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

    async def shared() -> bool:
        await asyncio.to_thread(other.poll, 0.05)
        return len(consumer.assignment()) == 2 == len(other.assignment())

    async with consumer_of(bootstrap, topic, group=name) as consumer:
        try:
            await eventually(shared, 60)
            mine = {(p.topic, p.partition) for p in consumer.assignment()}
            theirs = {(p.topic, p.partition) for p in other.assignment()}
            assert not mine & theirs
        finally:  # a member that no longer answers would hold up the other one's leave for minutes
            await asyncio.to_thread(other.close)


MEMBER = """
import asyncio, sys
from aiokafka import AIOKafkaConsumer

async def main(bootstrap, topic, group):
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group,
                                auto_offset_reset="earliest", metadata_max_age_ms=1000,
                                session_timeout_ms=6000, heartbeat_interval_ms=300)
    await consumer.start()
    while not consumer.assignment():
        await asyncio.sleep(0.05)
    print("joined", flush=True)
    async for record in consumer:
        print(record.value.decode(), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def member_of_its_own(*given: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a member as a process, which says the values of the records that it gets."""
    member = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MEMBER, *given), stdout=subprocess.PIPE
    )
    try:
        assert member.stdout is not None
        assert await member.stdout.readline() == b"joined\n"
        yield member
    finally:
        if member.returncode is None:
            member.kill()
        await member.wait()


async def test_member_that_dies_without_leaving_loses_its_partitions_after_its_session_timeout(
    bootstrap: str, make_topic: MakeTopic, name: str
) -> None:
    topic = await make_topic(4)
    async with consumer_of(bootstrap, topic, group=name) as survivor:
        await eventually(lambda: len(survivor.assignment()) == 4, 10)
        async with member_of_its_own(bootstrap, topic, name) as victim:
            await eventually(lambda: len(survivor.assignment()) == 2, 10)
            victim.kill()
            await victim.wait()
        took = await eventually(lambda: len(survivor.assignment()) == 4, SESSION_TIMEOUT_S + 6)
        assert took > SESSION_TIMEOUT_S - 2, "its session was not over yet"


async def test_member_that_was_stopped_takes_part_again_however_often_it_happens(
    bootstrap: str, make_topic: MakeTopic, name: str
) -> None:
    """It is put out, comes back with a generation that is over, and is stopped while it joins."""
    topic = await make_topic(4)
    got: set[str] = set()

    async def listen(member: AIOKafkaConsumer) -> None:
        async for record in member:
            got.add(record.value.decode())

    async def hear(output: asyncio.StreamReader) -> None:
        while line := await output.readline():
            got.add(line.decode().strip())

    async with (
        consumer_of(bootstrap, topic, group=name) as stays,
        member_of_its_own(bootstrap, topic, name) as stopped,
        AIOKafkaProducer(bootstrap_servers=bootstrap) as producer,
    ):
        assert stopped.stdout is not None
        hearing = [asyncio.create_task(listen(stays)), asyncio.create_task(hear(stopped.stdout))]
        try:
            for number, moment in enumerate((None, 0.0, 0.3)):
                stopped.send_signal(signal.SIGSTOP)
                await eventually(lambda: len(stays.assignment()) == 4, SESSION_TIMEOUT_S + 10)
                stopped.send_signal(signal.SIGCONT)
                if moment is not None:
                    await asyncio.sleep(moment)
                    stopped.send_signal(signal.SIGSTOP)
                    await asyncio.sleep(SESSION_TIMEOUT_S + 1)
                    stopped.send_signal(signal.SIGCONT)
                await eventually(lambda: len(stays.assignment()) == 2, 20)
                sent = {f"{number}.{partition}" for partition in range(4)}
                for value in sent:
                    partition = int(value.partition(".")[2])
                    await producer.send_and_wait(topic, value.encode(), partition=partition)
                await eventually(lambda sent=sent: sent <= got, 20)  # type: ignore[misc]
        finally:
            for task in hearing:
                task.cancel()
            await asyncio.gather(*hearing, return_exceptions=True)


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
