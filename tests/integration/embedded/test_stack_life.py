"""The stack as its owner meets it: commands, kills, restarts, and data that is still there."""

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pymongo import AsyncMongoClient

from wakeline_embedded import (
    credentials,
    documents,
    external,
    kafka,
    mongod,
    ports,
    seaweed,
    services,
)
from wakeline_embedded.layout import BLOCK, Layout, Ports
from wakeline_embedded.status import StackStatus, measure
from wakeline_testing import Stack

COMMAND_LINE = (
    "import typer; from wakeline_embedded.commands import register; "
    "app = typer.Typer(); register(app); app()"
)
SERVERS = ("broker", "mongod", "seaweedfs")


class Home:
    """A stack's folder and the command line on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout.of(folder)

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", COMMAND_LINE, *words, "--data", str(self.folder)],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "COLUMNS": "200", **env},
        )

    def up(self, *words: str) -> str:
        done = self.run("up", "--servers-only", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def down(self) -> None:
        done = self.run("down")
        assert done.returncode == 0, done.stderr

    async def status(self) -> StackStatus:
        found = await measure(self.layout)
        assert found is not None
        return found

    async def pids(self) -> dict[str, int | None]:
        return {one.name: one.pid for one in (await self.status()).processes}

    @property
    def ports(self) -> Ports:
        return Ports.kept(self.layout)

    async def write(self, text: str) -> None:
        """Write the same text into all three servers, acknowledged."""
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        await producer.start()
        await producer.send_and_wait("wakeline.review", text.encode(), partition=0)
        await producer.stop()
        async with AsyncMongoClient[dict[str, Any]](mongod.dsn(self.ports.mongod)) as client:
            await client["wakeline_review"]["notes"].insert_one({"_id": text})
        self.store().put_object(
            bucket_name="labels", object_name=text, data=io.BytesIO(b"1"), length=1
        )

    async def read(self) -> list[list[str]]:
        """What each of the three servers holds."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)
        await consumer.start()
        partition = TopicPartition("wakeline.review", 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        records = []
        while await consumer.position(partition) < end:
            records.append((await consumer.getone()).value.decode())
        await consumer.stop()
        async with AsyncMongoClient[dict[str, Any]](mongod.dsn(self.ports.mongod)) as client:
            found = client["wakeline_review"]["notes"].find({}, sort=[("_id", 1)])
            notes = [note["_id"] async for note in found]
        objects = [one.object_name for one in self.store().list_objects(bucket_name="labels")]
        return [records, notes, sorted(objects)]

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.ports.broker}"

    def store(self) -> Any:
        admin = credentials.kept(self.layout, ["admin"])["admin"]
        return seaweed.connect(self.ports.seaweed, admin.access, admin.secret)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "stack")
    yield made
    made.run("down")


async def test_data_survives_the_kill_of_every_process_and_a_move(home: Home) -> None:
    first = ports.free_block(BLOCK)
    home.up("--port", str(first))
    assert "up already" in home.up(), "a second `up` starts nothing"
    assert (await home.status()).works
    await home.write("a")

    before = await home.pids()
    for name in SERVERS:
        os.kill(before[name] or 0, signal.SIGKILL)
    await _until_works(home)
    after = await home.pids()
    assert all(after[name] != before[name] for name in SERVERS)
    assert [one.restarts for one in (await home.status()).processes[:3]] == [1, 1, 1]
    assert await home.read() == [["a"]] * 3
    await home.write("b")

    os.kill((await home.status()).supervisor_pid or 0, signal.SIGKILL)
    assert (await home.status()).phase == "abandoned"
    home.up()
    assert await home.read() == [["a", "b"]] * 3

    home.down()
    stopped = await home.status()
    assert (stopped.phase, stopped.supervisor_pid) == ("stopped", None)
    assert all(one.pid is None for one in stopped.processes)
    home.up("--port", str(ports.free_block(BLOCK, avoid=range(first, first + BLOCK))))
    assert home.ports.base != first
    assert await home.read() == [["a", "b"]] * 3


async def test_a_taken_port_is_named_with_who_has_it(home: Home) -> None:
    base = ports.free_block(BLOCK)
    with socket.create_server(("127.0.0.1", Ports(base).mongod)):
        failed = home.run("up", "--servers-only", "--port", str(base))
    assert failed.returncode == 1
    for words in (f"port {Ports(base).mongod}", "mongod", f"pid {os.getpid()}", "--port"):
        assert words in failed.stderr
    assert (await home.status()).phase == "failed"


async def test_a_mongod_that_cannot_run_is_named_with_what_to_do(home: Home) -> None:
    failed = home.run("up", "--servers-only", MONGOD="/bin/false")
    assert failed.returncode == 1
    for words in ("mongod does not start", "ended with 1", "AVX", "--mongo DSN"):
        assert words in failed.stderr
    state = await home.status()
    assert state.phase == "failed"
    assert all(one.pid is None for one in state.processes), "a failed start left something"


def test_a_missing_mongod_is_named(home: Home) -> None:
    failed = home.run("up", "--servers-only", MONGOD="/no/such/mongod")
    assert failed.returncode == 1
    assert "/no/such/mongod: No such file or directory" in failed.stderr


def test_commands_on_a_folder_without_a_stack_say_so(home: Home) -> None:
    assert "no stack runs" in home.run("down").stdout
    for words in (("status",), ("token", "--role", "admin")):
        failed = home.run(*words)
        assert failed.returncode == 1
        assert "wakeline up" in failed.stderr


def test_two_hasty_owners_get_one_stack_and_a_status_to_read(home: Home) -> None:
    with ThreadPoolExecutor() as owners:
        answers = list(owners.map(lambda _: home.up(), range(2)))
    assert all("up" in answer for answer in answers)
    table = home.run("status")
    assert table.returncode == 0
    assert all(name in table.stdout for name in SERVERS)
    found = json.loads(home.run("status", "--json").stdout)
    assert found["works"]
    for one in found["processes"]:
        assert one["health"] == "ok"
        assert one["memory_mb"] > 5
        assert 0 < one["uptime_s"] < 100


async def test_one_command_brings_every_service_up_for_the_owner_alone(home: Home) -> None:
    done = home.run("up")
    assert done.returncode == 0, done.stderr
    found = await home.status()
    assert found.works
    wanted = set(services.installed())
    assert wanted <= {one.name for one in found.processes}

    client = documents.read(home.layout.client)
    assert home.layout.client.stat().st_mode & 0o777 == 0o600
    url = f"{client['url']}/v1/services"
    told = httpx.get(url, headers={"Authorization": f"Bearer {client['token']}"})
    assert told.json().keys() == wanted
    assert httpx.get(url).status_code == 401
    minted = home.run("token", "--role", "labeler", "--person", "p", "--team", "t").stdout.strip()
    for address in told.json().values():
        answer = httpx.get(f"{address}/v1/services", headers={"Authorization": f"Bearer {minted}"})
        assert answer.status_code == 200

    victim = next(one for one in found.processes if one.name == "labeling")
    os.kill(victim.pid or 0, signal.SIGKILL)
    await _until_works(home, limit=60)
    again = next(one for one in (await home.status()).processes if one.name == "labeling")
    assert (again.pid != victim.pid, again.restarts) == (True, 1)
    home.down()
    assert all(one.pid is None for one in (await home.status()).processes)


async def test_servers_that_are_there_are_used_and_left_alone(home: Home, stack: Stack) -> None:
    s3 = stack.s3
    url = f"http://{s3.admin.access_key}:{s3.admin.secret_key}@{s3.endpoint}"
    home.up("--kafka", stack.kafka.bootstrap, "--mongo", stack.mongo.dsn, "--s3", url)
    found = await home.status()
    verdicts = {one.name: (one.state, one.health) for one in found.processes[:3]}
    assert verdicts == dict.fromkeys(("kafka", "mongodb", "s3"), ("external", "ok"))
    assert s3.admin.secret_key not in str(found)
    home.down()
    assert (await home.status()).phase == "stopped"
    await kafka.check(stack.kafka.bootstrap)
    await external.check_mongo(stack.mongo.dsn)
    await external.check_store(external.parse_store(url))


def test_a_server_that_is_not_there_is_named(home: Home) -> None:
    failed = home.run("up", "--servers-only", "--kafka", f"127.0.0.1:{ports.free_port()}")
    assert failed.returncode == 1
    assert "kafka at 127.0.0.1" in failed.stderr


async def _until_works(home: Home, limit: float = 30) -> None:
    deadline = time.monotonic() + limit
    while not (found := await home.status()).works:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)
