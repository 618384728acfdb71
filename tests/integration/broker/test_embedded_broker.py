"""What the embedded broker promises beyond the protocol: crashes, damage, limits, hostile bytes."""

import asyncio
import random
import resource
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.api import RequestHeader_v1
from aiokafka.protocol.commit import OffsetCommitRequest_v3
from aiokafka.protocol.fetch import FetchRequest_v11
from aiokafka.protocol.group import HeartbeatRequest_v1, JoinGroupRequest_v2, SyncGroupRequest_v1
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.produce import ProduceRequest_v7
from aiokafka.protocol.transaction import InitProducerIdRequest_v0
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from tests.integration.broker.conftest import (
    Aiokafka,
    BrokerProcess,
    Librdkafka,
    Message,
    eventually,
)

from wakeline_embedded.broker import server

pytestmark = pytest.mark.kafka

Start = Callable[..., BrokerProcess]
TOPIC = "events"


@asynccontextmanager
async def admin_of(broker: BrokerProcess) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def create_topic(broker: BrokerProcess, name: str = TOPIC, **configs: str) -> str:
    """Create a topic of one partition; return the name of the error, if any."""
    dotted = {key.replace("_", "."): value for key, value in configs.items()}
    async with admin_of(broker) as admin:
        answer = await admin.create_topics([NewTopic(name, 1, 1, topic_configs=dotted)])
    return str(for_code(answer.topic_errors[0][1]).__name__)


async def bounds(broker: BrokerProcess) -> tuple[int, int]:
    """Return first and next offset of the topic's partition."""
    async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap) as consumer:
        partition = TopicPartition(TOPIC, 0)
        first = await consumer.beginning_offsets([partition])
        return first[partition], (await consumer.end_offsets([partition]))[partition]


async def values_in(broker: BrokerProcess) -> list[bytes | None]:
    """Return the value of every record of the topic."""
    first, end = await bounds(broker)
    return [m.value for m in await Aiokafka(broker.bootstrap).read(TOPIC, end - first)]


def segments(broker: BrokerProcess) -> list[Path]:
    """Return the partition's segment files, oldest first."""
    return sorted((broker.folder / "topics" / TOPIC / "0").glob("*.log"))


def batch_of(*values: bytes, producer: tuple[int, int, int] = (-1, -1, -1)) -> bytes:
    """Build a record batch; ``producer`` is id, epoch and base sequence."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, *producer, 1 << 20)
    for index, value in enumerate(values):
        builder.append(index, 1_700_000_000_000, b"key", value, [])
    return bytes(builder.build())


class Raw:
    """A connection that speaks bytes, for what no client library would send."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def call(self, request: Any) -> Any:
        """Send a request, return its decoded response."""
        header = RequestHeader_v1(request, 7, "raw").encode()
        frame = header + request.encode()
        self.writer.write(struct.pack(">i", len(frame)) + frame)
        (size,) = struct.unpack(">i", await asyncio.wait_for(self.reader.readexactly(4), 10))
        answer = await self.reader.readexactly(size)
        assert answer[:4] == struct.pack(">i", 7)
        return request.RESPONSE_TYPE.decode(answer[4:])

    async def produce(self, batch: bytes, transactional_id: str | None = None) -> tuple[int, int]:
        """Send a batch; return error code and offset."""
        topics = [(TOPIC, [(0, bytes(batch))])]
        answer = await self.call(ProduceRequest_v7(transactional_id, -1, 1000, topics))
        _, code, offset, *_ = answer.topics[0][1][0]
        return code, offset

    async def closed_by_peer(self) -> bool:
        """Whether the broker closes the connection."""
        try:
            return await asyncio.wait_for(self.reader.read(1), 5) == b""
        except ConnectionResetError:
            return True


@asynccontextmanager
async def raw(broker: BrokerProcess) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()


# ---- Crashes


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


# ---- Damage


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


# ---- Retention


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


# ---- Refusals


async def test_broken_batches_are_refused_and_nothing_is_stored(embedded: Start) -> None:
    broker = embedded()
    await create_topic(broker)
    good = batch_of(b"value")
    flipped = bytearray(good)
    flipped[-1] ^= 1
    miscounted = bytearray(good)
    struct.pack_into(">i", miscounted, 57, 5)
    async with raw(broker) as connection:
        for broken, code in [
            (flipped, 2),
            (miscounted, 2),
            (good[:-1], 2),
            (good + good, 87),
            (good[:16] + b"\x01" + good[17:], 43),
            (b"", 2),
            (b"\0" * 100, 43),
        ]:
            assert (await connection.produce(bytes(broken)))[0] == code
        assert await connection.produce(good) == (0, 0)
    assert await values_in(broker) == [b"value"]


async def test_repeated_batch_is_stored_once_even_after_a_crash(embedded: Start) -> None:
    broker = embedded()
    await create_topic(broker)
    batches = [batch_of(b"%d" % i, producer=(77, 0, i)) for i in range(4)]
    async with raw(broker) as connection:
        assert [await connection.produce(b) for b in batches] == [(0, i) for i in range(4)]
        assert await connection.produce(batches[2]) == (0, 2)
    broker.kill()
    broker.start()
    async with raw(broker) as connection:
        assert await connection.produce(batches[3]) == (0, 3)
        gap = batch_of(b"gap", producer=(77, 0, 9))
        assert (await connection.produce(gap))[0] == 45
        assert await connection.produce(batch_of(b"epoch", producer=(77, 1, 0))) == (0, 4)
        assert (await connection.produce(batches[3]))[0] == 47, "an old epoch is fenced"
    assert await values_in(broker) == [b"0", b"1", b"2", b"3", b"epoch"]


async def test_producer_ids_are_never_given_twice(embedded: Start) -> None:
    broker = embedded()
    ids = []
    for _ in range(3):
        async with raw(broker) as connection:
            for _ in range(3):
                answer = await connection.call(InitProducerIdRequest_v0(None, 0))
                ids.append(answer.producer_id)
        broker.kill()
        broker.start()
    assert len(set(ids)) == 9


async def test_transactions_are_refused_by_both_clients(embedded: Start) -> None:
    broker = embedded()
    await create_topic(broker)
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id="t")
    with pytest.raises(KafkaError):
        await asyncio.wait_for(producer.start(), 20)
    await producer.stop()
    other = confluent_kafka.Producer(
        {"bootstrap.servers": broker.bootstrap, "transactional.id": "t"}
    )
    with pytest.raises(confluent_kafka.KafkaException, match="TRANSACTIONAL_ID_AUTHORIZATION"):
        await asyncio.to_thread(other.init_transactions, 20)
    async with raw(broker) as connection:
        assert (await connection.produce(batch_of(b"v"), transactional_id="t"))[0] == 53


@pytest.mark.parametrize(
    "configs", [{"cleanup_policy": "compact"}, {"message_timestamp_type": "LogAppendTime"}]
)
async def test_unsupported_configs_are_refused(embedded: Start, configs: dict[str, str]) -> None:
    broker = embedded()
    async with admin_of(broker) as admin:
        dotted = {key.replace("_", "."): value for key, value in configs.items()}
        answer = await admin.create_topics([NewTopic(TOPIC, 1, 1, topic_configs=dotted)])
    _, code, message = answer.topic_errors[0]
    assert for_code(code).__name__ == "InvalidConfigurationError"
    assert "does not support" in message


async def test_second_broker_on_the_same_folder_is_refused(embedded: Start) -> None:
    broker = embedded()
    command = [sys.executable, "-m", "wakeline_embedded.broker", "--port", "0", "--data"]
    second = await asyncio.create_subprocess_exec(
        *command, str(broker.folder), stderr=subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(second.communicate(), 10)
    assert second.returncode == 1
    assert b"another broker is running" in errors


# ---- Hostile bytes


def frame(payload: bytes) -> bytes:
    return struct.pack(">i", len(payload)) + payload


MALFORMED = {
    "oversize": struct.pack(">ihh", 200 << 20, 0, 7) + b"x" * 1000,
    "oversize metadata": struct.pack(">ihh", 50 << 20, 3, 5) + b"x" * 1000,
    "negative size": struct.pack(">ihh", -5, 0, 7),
    "empty frame": frame(b"") + b"xx",
    "unknown api": frame(struct.pack(">hhih", 999, 0, 1, -1)),
    "unoffered version": frame(struct.pack(">hhih", 0, 99, 1, -1)),
    "huge array": frame(struct.pack(">hhihi?", 3, 5, 1, -1, 2**31 - 1, False)),
    "client id beyond the end": frame(struct.pack(">hhih", 3, 5, 1, 30_000)),
    "text": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("kind", MALFORMED)
async def test_malformed_request_closes_its_own_connection_only(
    embedded_once: BrokerProcess, kind: str
) -> None:
    broker = embedded_once
    async with raw(broker) as neighbour, raw(broker) as hostile:
        before = broker.log.count("closing the connection")
        hostile.writer.write(MALFORMED[kind])
        assert await hostile.closed_by_peer()
        assert broker.log.count("closing the connection") == before + 1
        assert (await neighbour.call(MetadataRequest_v5([], False))).controller_id == 1


@pytest.fixture(scope="module")
def embedded_once(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One broker for the tests that only send it bytes."""
    broker = BrokerProcess(tmp_path_factory.mktemp("hostile") / "data").start()
    yield broker
    assert broker.stop() == 0
    assert "Traceback" not in broker.log


async def test_garbage_never_harms_the_broker(embedded_once: BrokerProcess) -> None:
    broker = embedded_once
    await create_topic(broker)
    random_bytes = random.Random(20_240_501)
    requests: list[Any] = [
        MetadataRequest_v5([TOPIC], False),
        ProduceRequest_v7(None, -1, 100, [(TOPIC, [(0, bytes(batch_of(b"a", b"b")))])]),
        FetchRequest_v11(-1, 10, 1, 1000, 0, 0, -1, [(TOPIC, [(0, -1, 0, 0, 1000)])], [], ""),
        JoinGroupRequest_v2("g", 6000, 10, "", "consumer", [("range", b"meta")]),
    ]
    for round_number in range(400):
        async with raw(broker) as hostile:
            if round_number % 4 == 0:
                payload = random_bytes.randbytes(random_bytes.randrange(200))
            else:
                request = random_bytes.choice(requests)
                mutated = bytearray(RequestHeader_v1(request, 1, "x").encode() + request.encode())
                for _ in range(random_bytes.randrange(1, 6)):
                    mutated[random_bytes.randrange(len(mutated))] = random_bytes.randrange(256)
                payload = frame(bytes(mutated[: random_bytes.randrange(8, len(mutated) + 1)]))
            hostile.writer.write(payload)
            await hostile.writer.drain()
    assert broker.alive()
    assert await Aiokafka(broker.bootstrap).write(TOPIC, [Message(b"sound")])
    assert b"sound" in await values_in(broker)


async def test_hung_up_joiner_does_not_hold_its_group_up(embedded_once: BrokerProcess) -> None:
    join = JoinGroupRequest_v2("hung", 6000, 60_000, "", "consumer", [("range", b"")])
    payload = RequestHeader_v1(join, 1, "x").encode() + join.encode()
    async with raw(embedded_once) as gone:
        gone.writer.write(frame(payload))
        await gone.writer.drain()
    async with raw(embedded_once) as other:
        joined = await asyncio.wait_for(other.call(join), 5)
    assert [member[0] for member in joined.members] == [joined.member_id]


async def test_member_that_never_syncs_is_removed(embedded_once: BrokerProcess) -> None:
    async with raw(embedded_once) as connection:
        join = JoinGroupRequest_v2("lazy", 6000, 1000, "", "consumer", [("range", b"")])
        joined = await connection.call(join)
        beat = HeartbeatRequest_v1("lazy", joined.generation_id, joined.member_id)
        assert (await connection.call(beat)).error_code == 0
        await asyncio.sleep(1.5)
        assert (await connection.call(beat)).error_code == 25


async def test_commit_of_another_generation_is_refused(embedded_once: BrokerProcess) -> None:
    await create_topic(embedded_once, "commits")
    async with raw(embedded_once) as connection:
        join = JoinGroupRequest_v2("strict", 6000, 6000, "", "consumer", [("range", b"")])
        joined = await connection.call(join)
        member, generation = joined.member_id, joined.generation_id
        everything = [(member, b"all")]
        synced = await connection.call(
            SyncGroupRequest_v1("strict", generation, member, everything)
        )
        assert synced.member_assignment == b"all"

        async def commit(member_id: str, generation_id: int, topic: str = "commits") -> int:
            offsets = [(topic, [(0, 5, "")])]
            answer = await connection.call(
                OffsetCommitRequest_v3("strict", generation_id, member_id, -1, offsets)
            )
            return int(answer.topics[0][1][0][1])

        assert await commit(member, generation) == 0
        assert await commit(member, generation - 1) == 22
        assert await commit("somebody", generation) == 25
        assert await commit("", -1) == 25
        assert await commit(member, generation, "no-such-topic") == 3


async def test_connections_over_the_limit_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    broker = server.Broker(tmp_path, 0)
    await broker.start()
    opened = [await asyncio.open_connection("127.0.0.1", broker.port) for _ in range(4)]
    assert await Raw(*opened[3]).closed_by_peer()
    assert (await Raw(*opened[0]).call(MetadataRequest_v5([], False))).controller_id == 1
    for _, writer in opened:
        writer.close()
    await broker.close()


async def test_fsync_always_acknowledges_records_and_commits(embedded: Start) -> None:
    broker = embedded("--fsync", "always")
    await create_topic(broker)
    client = Aiokafka(broker.bootstrap)
    many: list[Awaitable[list[int]]] = [client.write(TOPIC, [Message(b"v")] * 50) for _ in range(4)]
    offsets = sorted(offset for written in await asyncio.gather(*many) for offset in written)
    assert offsets == list(range(200))
    async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, group_id="g") as consumer:
        consumer.assign([TopicPartition(TOPIC, 0)])
        await consumer.commit({TopicPartition(TOPIC, 0): 100})
