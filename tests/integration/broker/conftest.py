"""A Kafka broker for each run, and both client libraries behind one small interface."""

import asyncio
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import confluent_kafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


class Message(NamedTuple):
    """One record, as written and as read back."""

    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp_ms: int | None = None


class Client(Protocol):
    """What the tests need of a client library."""

    async def write(self, topic: str, messages: Sequence[Message], **options: Any) -> list[int]:
        """Send to partition 0 with ``acks=all``; return the offsets."""

    async def read(self, topic: str, count: int) -> list[Message]:
        """Read partition 0 from its beginning."""


class Aiokafka:
    """The asyncio client that Wakeline's services use."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def write(self, topic: str, messages: Sequence[Message], **options: Any) -> list[int]:
        options = {name.replace(".", "_"): value for name, value in options.items()}
        settings = {"acks": "all", "linger_ms": 5, **options}
        async with AIOKafkaProducer(bootstrap_servers=self._bootstrap, **settings) as producer:
            sent = [
                await producer.send(
                    topic,
                    m.value,
                    key=m.key,
                    partition=0,
                    timestamp_ms=m.timestamp_ms,
                    headers=list(m.headers),
                )
                for m in messages
            ]
            return [(await future).offset for future in sent]

    async def read(self, topic: str, count: int) -> list[Message]:
        async with AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, auto_offset_reset="earliest"
        ) as consumer:
            consumer.assign([TopicPartition(topic, 0)])
            records = [await asyncio.wait_for(consumer.getone(), 10) for _ in range(count)]
        return [Message(r.value, r.key, r.headers, r.timestamp) for r in records]


class Librdkafka:
    """The C client behind most other languages' libraries."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def write(self, topic: str, messages: Sequence[Message], **options: Any) -> list[int]:
        return await asyncio.to_thread(self._write, topic, messages, options)

    async def read(self, topic: str, count: int) -> list[Message]:
        return await asyncio.to_thread(self._read, topic, count)

    def _write(self, topic: str, messages: Sequence[Message], options: Any) -> list[int]:
        producer = confluent_kafka.Producer(
            {"bootstrap.servers": self._bootstrap, "acks": "all", "linger.ms": 5, **options}
        )
        offsets: list[int] = []

        def delivered(error: Any, message: Any) -> None:
            if error is not None:
                raise confluent_kafka.KafkaException(error)
            offsets.append(message.offset())

        try:
            for m in messages:
                extra: dict[str, Any] = (
                    {} if m.timestamp_ms is None else {"timestamp": m.timestamp_ms}
                )
                producer.produce(
                    topic,
                    m.value,
                    m.key,
                    0,
                    on_delivery=delivered,
                    headers=list(m.headers),
                    **extra,
                )
            assert producer.flush(20) == 0, "not everything was acknowledged"
        finally:
            producer.close()  # it would look for its broker until the end of the run
        return offsets

    def _read(self, topic: str, count: int) -> list[Message]:
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self._bootstrap, "group.id": secrets.token_hex(4)}
        )
        try:
            consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
            records: list[Message] = []
            deadline = time.monotonic() + 15
            while len(records) < count and time.monotonic() < deadline:
                for m in consumer.consume(count - len(records), 1):
                    assert m.error() is None, m.error()
                    headers: Any = tuple(m.headers() or ())
                    records.append(Message(m.value(), m.key(), headers, m.timestamp()[1]))
            return records
        finally:
            consumer.close()


CLIENTS: dict[str, Callable[[str], Client]] = {"aiokafka": Aiokafka, "librdkafka": Librdkafka}


class BrokerProcess:
    """The embedded broker as a child process over one data folder."""

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.log_file = folder.with_name(folder.name + ".log")
        self._options = options
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Address for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._child is not None
        return self._child.pid

    @property
    def log(self) -> str:
        """Everything logged so far, over all starts."""
        return self.log_file.read_text()

    def start(self, **popen: Any) -> "BrokerProcess":
        """Start, and wait until it listens."""
        command = [sys.executable, "-m", "wakeline_embedded.broker"]
        command += ["--port", str(self.port), "--data", str(self.folder), *self._options]
        with self.log_file.open("ab") as output:
            self._child = subprocess.Popen(command, stdout=output, stderr=output, **popen)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except ConnectionRefusedError:
                assert self._child.poll() is None, self.log
                assert time.monotonic() < deadline, self.log
                time.sleep(0.02)

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._child is not None and self._child.poll() is None

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as an operator would; return its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        assert self._child is not None
        if self._child.poll() is None:
            self._child.send_signal(number)
        return self._child.wait(10)


async def eventually(condition: Callable[[], bool | Awaitable[bool]], seconds: float) -> float:
    """Wait until a condition holds; return how long it took, in seconds."""
    start = time.monotonic()
    while True:
        holds = condition()
        if await holds if isinstance(holds, Awaitable) else holds:
            return time.monotonic() - start
        assert time.monotonic() < start + seconds, f"still not so after {seconds} s"
        await asyncio.sleep(0.05)


def free_port() -> int:
    """Return a port that nobody listens on, below the range that clients draw theirs from."""
    while True:
        port = random.randint(20000, 31999)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", port)):
                return port


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the broker under test: a real Kafka if the environment names one."""
    if real := os.environ.get("WAKELINE_TEST_KAFKA"):
        yield real
        return
    broker = BrokerProcess(tmp_path_factory.mktemp("broker") / "data").start()
    yield broker.bootstrap
    assert broker.alive(), broker.log
    assert broker.stop() == 0
    assert "Traceback" not in broker.log


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Callable[..., BrokerProcess]]:
    """Start embedded brokers; those still running at the end are stopped."""
    started: list[BrokerProcess] = []

    def start(*options: str, folder: str = "data", **popen: Any) -> BrokerProcess:
        started.append(BrokerProcess(tmp_path / folder, *options).start(**popen))
        return started[-1]

    yield start
    for broker in started:
        if broker.alive():
            broker.stop()


@pytest.fixture(params=CLIENTS)
def writer(request: pytest.FixtureRequest, bootstrap: str) -> Client:
    """Each client library, for writing."""
    return CLIENTS[request.param](bootstrap)


@pytest.fixture(params=CLIENTS)
def reader(request: pytest.FixtureRequest, bootstrap: str) -> Client:
    """Each client library, for reading."""
    return CLIENTS[request.param](bootstrap)


@pytest.fixture
def aiokafka(bootstrap: str) -> Client:
    """The client for tests where the library does not matter."""
    return Aiokafka(bootstrap)


@pytest.fixture(scope="session")
async def admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """aiokafka's administration client."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    yield client
    await client.close()


MakeTopic = Callable[..., Awaitable[str]]


@pytest.fixture
def name() -> str:
    """Return a name that no other test uses, for topics and groups."""
    return f"wakeline-test-{secrets.token_hex(6)}"


@pytest.fixture
def make_topic(admin: AIOKafkaAdminClient, name: str) -> MakeTopic:
    """Create this test's topic: ``await make_topic(partitions, **configs)``."""

    async def make(partitions: int = 1, configs: dict[str, str] | None = None) -> str:
        answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
        assert answer.topic_errors[0][1] == 0, answer

        async def known() -> bool:
            return not (await admin.describe_topics([name]))[0]["error_code"]

        await eventually(known, 5)  # a real cluster takes a moment to tell all its parts
        return name

    return make
