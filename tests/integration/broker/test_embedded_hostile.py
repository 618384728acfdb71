"""Hostile bytes, members that never answer, too many connections: the embedded broker goes on."""

import asyncio
import random
import struct
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.protocol.api import RequestHeader_v1
from aiokafka.protocol.commit import OffsetCommitRequest_v3
from aiokafka.protocol.fetch import FetchRequest_v11
from aiokafka.protocol.group import HeartbeatRequest_v1, JoinGroupRequest_v2, SyncGroupRequest_v1
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.produce import ProduceRequest_v7
from tests.integration.broker.conftest import (
    Aiokafka,
    BrokerProcess,
    Message,
)
from tests.integration.broker.kit import (
    TOPIC,
    Raw,
    Start,
    batch_of,
    create_topic,
    raw,
    values_in,
)

from wakeline_embedded.broker import server

pytestmark = pytest.mark.kafka


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
