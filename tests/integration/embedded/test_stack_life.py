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
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pymongo import AsyncMongoClient

from wakeline_embedded import mongod, ports, seaweed
from wakeline_embedded.identities import kept
from wakeline_embedded.layout import BLOCK, Layout, Ports

COMMAND_LINE = (
    "import typer; from wakeline_embedded.commands import register; "
    "app = typer.Typer(); register(app); app()"
)
SERVERS = ("broker", "mongod", "seaweedfs")


class Stack:
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

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return found

    def pids(self) -> dict[str, int]:
        return {one["name"]: one["pid"] for one in self.status()["processes"]}

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
        return seaweed.admin_client(self.ports.seaweed, kept(self.layout, ())["admin"])


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path / "stack")
    yield made
    made.run("down")


async def test_data_survives_the_kill_of_every_process_and_a_move(stack: Stack) -> None:
    first = ports.free_block(BLOCK)
    stack.up("--port", str(first))
    assert "up already" in stack.up(), "a second `up` starts nothing"
    assert stack.status()["works"]
    await stack.write("a")

    before = stack.pids()
    for name in SERVERS:
        os.kill(before[name], signal.SIGKILL)
    await _until_works(stack)
    after = stack.pids()
    assert all(after[name] != before[name] for name in SERVERS)
    assert [one["restarts"] for one in stack.status()["processes"]] == [1, 1, 1]
    assert await stack.read() == [["a"]] * 3
    await stack.write("b")

    os.kill(stack.status()["supervisor_pid"], signal.SIGKILL)
    assert stack.status()["phase"] == "abandoned"
    stack.up()
    assert await stack.read() == [["a", "b"]] * 3

    stack.down()
    assert stack.status()["phase"] == "stopped"
    assert stack.status()["supervisor_pid"] is None
    assert all(pid is None for pid in stack.pids().values())
    stack.up("--port", str(ports.free_block(BLOCK, avoid=range(first, first + BLOCK))))
    assert stack.ports.base != first
    assert await stack.read() == [["a", "b"]] * 3


def test_a_taken_port_is_named_with_who_has_it(stack: Stack) -> None:
    base = ports.free_block(BLOCK)
    with socket.create_server(("127.0.0.1", Ports(base).mongod)):
        failed = stack.run("up", "--servers-only", "--port", str(base))
    assert failed.returncode == 1
    for words in (f"port {Ports(base).mongod}", "mongod", f"pid {os.getpid()}", "--port"):
        assert words in failed.stderr
    assert stack.status()["phase"] == "failed"


def test_a_mongod_that_cannot_run_is_named_with_what_to_do(stack: Stack) -> None:
    failed = stack.run("up", "--servers-only", MONGOD="/bin/false")
    assert failed.returncode == 1
    for words in ("mongod does not start", "ended with 1", "AVX", "--mongo DSN"):
        assert words in failed.stderr
    state = stack.status()
    assert state["phase"] == "failed"
    assert all(one["pid"] is None for one in state["processes"]), "a failed start left something"


def test_a_missing_mongod_is_named_with_what_to_do(stack: Stack) -> None:
    failed = stack.run("up", "--servers-only", MONGOD="/no/such/mongod")
    assert failed.returncode == 1
    assert "/no/such/mongod: No such file or directory" in failed.stderr


def test_down_and_status_without_a_stack_say_so(stack: Stack) -> None:
    assert "no stack runs" in stack.run("down").stdout
    assert stack.run("status").returncode == 1
    assert "wakeline up" in stack.run("token", "--role", "admin").stderr


def test_a_stack_uses_servers_that_are_there_and_leaves_them_running(
    stack: Stack, tmp_path: Path
) -> None:
    other = Stack(tmp_path / "other")
    other.up()
    try:
        admin = kept(other.layout, ())["admin"]
        given = (
            *("--kafka", other.bootstrap, "--mongo", mongod.dsn(other.ports.mongod)),
            *("--s3", f"http://{admin.access_key}:{admin.secret_key}@{_s3(other)}"),
        )
        stack.up(*given)
        found = stack.status()
        assert {one["name"]: one["health"] for one in found["processes"]} == {
            "kafka": "ok",
            "mongodb": "ok",
            "s3": "ok",
        }
        assert admin.secret_key not in json.dumps(found)
        stack.down()
        assert other.status()["works"]
    finally:
        other.down()


def test_a_server_that_is_not_there_is_named(stack: Stack) -> None:
    failed = stack.run("up", "--servers-only", "--kafka", f"127.0.0.1:{ports.free_port()}")
    assert failed.returncode == 1
    assert "kafka at 127.0.0.1" in failed.stderr


def _s3(stack: Stack) -> str:
    return f"127.0.0.1:{stack.ports.seaweed}"


async def _until_works(stack: Stack, limit: float = 30) -> None:
    deadline = time.monotonic() + limit
    while not stack.status()["works"]:
        assert time.monotonic() < deadline, stack.run("status").stdout
        await asyncio.sleep(0.2)
