"""What the tests of a broker share: consumers, topics, and requests byte by byte."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    for_code,
)
from aiokafka.protocol.api import RequestHeader_v1
from aiokafka.protocol.produce import ProduceRequest_v7
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from tests.integration.broker.conftest import (
    Aiokafka,
    BrokerProcess,
)

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
