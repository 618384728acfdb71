"""What the embedded broker still knows after a crash, and after damage to its files."""

import asyncio
import resource
import struct
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import for_code
from aiokafka.protocol.group import JoinGroupRequest_v2
from tests.integration.broker.conftest import (
    Aiokafka,
    BrokerProcess,
    Librdkafka,
    Message,
    eventually,
)
from tests.integration.broker.kit import (
    TOPIC,
    Start,
    admin_of,
    batch_of,
    create_topic,
    raw,
    segments,
    values_in,
)

pytestmark = pytest.mark.kafka


async def produce_until(
    stop: asyncio.Event, broker: BrokerProcess, name: str
) -> tuple[list[bytes], int]:
    """Send numbered records, idempotently, one after the other; return the acknowledged ones."""
    acknowledged: list[bytes] = []

    def note(value: bytes) -> Callable[[Any], None]:
        return lambda sent: None if sent.exception() else acknowledged.append(value)

    number = 0
    async with AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap, enable_idempotence=True, retry_backoff_ms=50
    ) as producer:
        while not stop.is_set():
            value = f"{name}-{number}".encode()
            (await producer.send(TOPIC, value)).add_done_callback(note(value))
            number += 1
            await asyncio.sleep(0.0005)
        await producer.flush()
    return acknowledged, number


@pytest.mark.parametrize("fsync", ["never", "group-5"])
async def test_kill_during_production_loses_and_doubles_nothing(
    embedded: Start, fsync: str
) -> None:
    broker = embedded("--fsync", fsync)
    await create_topic(broker, segment_bytes="20000")
    stop = asyncio.Event()
    writers = [asyncio.create_task(produce_until(stop, broker, name)) for name in "abc"]
    for _ in range(3):
        await asyncio.sleep(0.7)
        broker.kill()
        broker.start()
    stop.set()
    results = await asyncio.wait_for(asyncio.gather(*writers), 60)
    stored = await values_in(broker)
    assert len(stored) == len(set(stored)), "a record is there twice"
    for name, (acknowledged, sent) in zip("abc", results, strict=True):
        assert len(acknowledged) == sent > 100
        mine = [v for v in stored if v is not None and v.startswith(name.encode())]
        assert mine == [f"{name}-{i}".encode() for i in range(sent)]


async def test_librdkafka_production_survives_a_kill(embedded: Start) -> None:
    broker = embedded()
    await create_topic(broker)
    writing = asyncio.create_task(
        Librdkafka(broker.bootstrap).write(
            TOPIC,
            [Message(b"%d" % i * 50) for i in range(60_000)],
            **{"enable.idempotence": True, "queue.buffering.max.messages": 100_000},
        )
    )
    await eventually(lambda: sum(path.stat().st_size for path in segments(broker)) > 100_000, 10)
    broker.kill()
    assert not writing.done()
    broker.start()
    assert len(await asyncio.wait_for(writing, 60)) == 60_000
    assert await values_in(broker) == [b"%d" % i * 50 for i in range(60_000)]


async def test_committed_offsets_and_generation_survive_a_kill(embedded: Start) -> None:
    broker = embedded()
    await create_topic(broker)
    await Aiokafka(broker.bootstrap).write(TOPIC, [Message(b"%d" % i) for i in range(10)])
    partition = TopicPartition(TOPIC, 0)
    async with AIOKafkaConsumer(
        TOPIC, bootstrap_servers=broker.bootstrap, group_id="g", enable_auto_commit=False
    ) as consumer:
        await consumer.commit({partition: 5})
        broker.kill()
        broker.start()
        assert await consumer.committed(partition) == 5
    broker.kill()
    broker.start()
    async with raw(broker) as connection:
        join = JoinGroupRequest_v2("g", 6000, 1000, "", "consumer", [("range", b"")])
        joined = await connection.call(join)
        assert joined.error_code == 0
        assert joined.generation_id >= 2, "generations go on counting after a restart"
    async with AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap, group_id="g", enable_auto_commit=False
    ) as consumer:
        consumer.assign([partition])
        assert (await asyncio.wait_for(consumer.getone(), 10)).offset == 5


async def test_offsets_file_is_compacted_on_start(embedded: Start) -> None:
    broker = embedded()
    await create_topic(broker)
    partition = TopicPartition(TOPIC, 0)
    async with AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap, group_id="g", enable_auto_commit=False
    ) as consumer:
        consumer.assign([partition])
        for offset in range(300):
            await consumer.commit({partition: offset})
    offsets = broker.folder / "offsets.jsonl"
    assert len(offsets.read_bytes().splitlines()) >= 300
    broker.kill()
    with offsets.open("ab") as file:
        file.write(b'["offset", "g", "torn')
    broker.start()
    assert len(offsets.read_bytes().splitlines()) == 1
    async with admin_of(broker) as admin:
        assert (await admin.list_consumer_group_offsets("g"))[partition].offset == 299


@pytest.mark.parametrize("damage", ["cut batch", "half header", "zeros", "wrong crc"])
async def test_torn_tail_is_cut_off_and_production_goes_on(embedded: Start, damage: str) -> None:
    broker = embedded()
    await create_topic(broker)
    await Aiokafka(broker.bootstrap).write(TOPIC, [Message(b"kept")])
    broker.kill()
    batch = struct.pack(">q", 1) + batch_of(b"never acknowledged")[8:]  # the offset that is due
    torn = {
        "cut batch": batch[:-3],
        "half header": batch[:30],
        "zeros": bytes(4096),
        "wrong crc": batch[:-1] + b"?",
    }[damage]
    size = segments(broker)[0].stat().st_size
    with segments(broker)[0].open("ab") as file:
        file.write(torn)
    broker.start()
    assert segments(broker)[0].stat().st_size == size
    assert f"cut off {len(torn)} torn bytes" in broker.log
    assert await Aiokafka(broker.bootstrap).write(TOPIC, [Message(b"next")]) == [1]
    assert await values_in(broker) == [b"kept", b"next"]


async def test_restart_reads_all_segments_back(embedded: Start) -> None:
    broker = embedded()
    await create_topic(broker, segment_bytes="5000")
    client = Aiokafka(broker.bootstrap)
    for start in range(0, 400, 20):
        batch = [
            Message(b"%d" % i * 20, timestamp_ms=1_700_000_000_000 + i)
            for i in range(start, start + 20)
        ]
        await client.write(TOPIC, batch)
    assert len(segments(broker)) > 3
    broker.stop()
    broker.start()
    assert await values_in(broker) == [b"%d" % i * 20 for i in range(400)]
    async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap) as consumer:
        partition = TopicPartition(TOPIC, 0)
        for number in (0, 57, 399):
            found = await consumer.offsets_for_times({partition: 1_700_000_000_000 + number})
            assert found[partition].offset == number
    assert await client.write(TOPIC, [Message(b"next")]) == [400]


async def test_lost_segment_does_not_stop_its_readers(embedded: Start) -> None:
    broker = embedded()
    await create_topic(broker, segment_bytes="2000")
    for i in range(5):
        await Aiokafka(broker.bootstrap).write(TOPIC, [Message(b"%d" % i * 1500)])
    broker.kill()
    segments(broker)[1].unlink()
    with segments(broker)[1].open("r+b") as file:  # what was the third
        file.write(bytes(100))
    broker.start()
    assert "cut off" in broker.log
    read = await Aiokafka(broker.bootstrap).read(TOPIC, 3)
    assert [(m.value or b"")[:1] for m in read] == [b"0", b"3", b"4"]


async def test_full_disk_is_an_error_and_leaves_the_log_whole(embedded: Start) -> None:
    limit = 300_000
    broker = embedded(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    await create_topic(broker)
    codes = []
    async with raw(broker) as connection:
        for i in range(20):
            codes.append((await connection.produce(batch_of(b"%02d" % i * 20_000)))[0])
    assert codes[0] == 0
    assert {for_code(code).__name__ for code in codes[-5:]} == {"KafkaStorageError"}
    assert await values_in(broker) == [b"%02d" % i * 20_000 for i in range(codes.count(0))]
