"""The stack as its owner meets it: commands, kills, restarts, and data that is still there."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pydantic import SecretStr
from pymongo import AsyncMongoClient
from typer.testing import CliRunner, Result

from wakeline_blobs import Blobs, BlobSettings
from wakeline_embedded import (
    credentials,
    documents,
    external,
    kafka,
    mongod,
    ports,
    processes,
    services,
)
from wakeline_embedded.commands import register
from wakeline_embedded.layout import BLOCK, Layout, Ports
from wakeline_embedded.status import StackStatus, measure
from wakeline_testing import Stack

pytestmark = pytest.mark.long

APP = typer.Typer()
register(APP)
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

    def run(self, *words: str, **env: str) -> Result:
        """Run a command of the command line."""
        # in a thread of its own, because a command may bring its own event loop
        with ThreadPoolExecutor(1) as thread:
            arguments = [*words, "--home", str(self.folder)]
            return thread.submit(CliRunner().invoke, APP, arguments, env=env).result()

    def up(self, *words: str) -> str:
        done = self.run("up", "--servers-only", *words)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    def down(self) -> None:
        done = self.run("down")
        assert done.exit_code == 0, done.stderr

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
        await self.blobs().put("labels", text, b"1", "text/plain")

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
        objects = [blob.key async for blob in self.blobs().list("labels")]
        return [records, notes, sorted(objects)]

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.ports.broker}"

    def blobs(self) -> Blobs:
        admin = credentials.kept(self.layout, ["admin"])["admin"]
        endpoint = f"127.0.0.1:{self.ports.seaweed}"
        return Blobs(
            BlobSettings(
                endpoint=endpoint, access_key=admin.access, secret_key=SecretStr(admin.secret)
            )
        )


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "stack")
    yield made
    made.run("down")


async def test_data_survives_the_kill_of_every_process_and_a_move(home: Home) -> None:
    first = ports.free_block(BLOCK)
    home.up("--port", str(first))
    assert "up already" in home.up(), "a second `up` starts nothing"
    assert home.run("status").exit_code == 0
    told = json.loads(home.run("status", "--json").stdout)
    assert told["works"]
    assert {one["name"] for one in told["processes"]} == {*SERVERS, "supervisor"}
    assert all(one["memory_mb"] > 5 and one["uptime_s"] > 0 for one in told["processes"])
    await home.write("a")

    before = await home.pids()
    for name in SERVERS:
        _kill(before[name])
    await _until_back(home, *SERVERS)
    after = await home.pids()
    assert all(after[name] != before[name] for name in SERVERS)
    assert await home.read() == [["a"]] * 3
    await home.write("b")

    _kill((await home.status()).supervisor_pid)
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
    assert failed.exit_code == 1
    for words in (f"port {Ports(base).mongod}", "mongod", f"pid {os.getpid()}", "--port"):
        assert words in failed.stderr
    assert (await home.status()).phase == "failed"


async def test_a_mongod_that_cannot_run_is_named_with_what_to_do(home: Home) -> None:
    failed = home.run("up", "--servers-only", MONGOD="/bin/false")
    assert failed.exit_code == 1
    for words in ("mongod does not start", "ended with 1", "AVX", "--mongo DSN"):
        assert words in failed.stderr
    state = await home.status()
    assert state.phase == "failed"
    assert all(one.pid is None for one in state.processes), "a failed start left something"


def test_commands_on_a_folder_without_a_stack_say_so(home: Home) -> None:
    assert "no stack runs" in home.run("down").stdout
    for words in (("status",), ("token", "--role", "admin")):
        failed = home.run(*words)
        assert failed.exit_code == 1
        assert "wakeline up" in failed.stderr


async def test_one_command_brings_every_service_up_for_the_owner_alone(home: Home) -> None:
    up = (sys.executable, "-c", COMMAND_LINE, "up", "--home", str(home.folder))
    hasty = [await asyncio.create_subprocess_exec(*up) for _ in range(2)]
    ends = [await asyncio.wait_for(one.wait(), 200) for one in hasty]
    assert ends == [0, 0], "two at once are no trouble"
    found = await home.status()
    assert found.works
    wanted = set(services.installed())
    assert wanted <= {one.name for one in found.processes}

    assert home.layout.client.stat().st_mode & 0o777 == 0o600
    owner = documents.read(home.layout.client) or {}
    minted = home.run("token", "--role", "labeler", "--person", "p", "--team", "t").stdout.strip()
    async with httpx.AsyncClient() as client:
        url = f"{owner['url']}/v1/services"
        assert (await client.get(url)).status_code == 401
        told = await client.get(url, headers={"Authorization": f"Bearer {owner['token']}"})
        assert told.json().keys() == wanted
        for address in told.json().values():
            labeler = {"Authorization": f"Bearer {minted}"}
            answer = await client.get(f"{address}/v1/services", headers=labeler)
            assert answer.status_code == 200

    backlog = json.loads(home.run("status", "--json").stdout)["backlog"]
    assert backlog.keys() == wanted
    assert all(set(one["lag"].values()) <= {0} and one["dead"] == 0 for one in backlog.values())
    assert "what waits" in home.run("status").stdout

    before = await home.pids()
    _kill(before["labeling"])
    await _until_back(home, "labeling")
    after = await home.pids()
    assert [name for name in after if after[name] != before[name]] == ["labeling"]
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
    assert failed.exit_code == 1
    assert "kafka at 127.0.0.1" in failed.stderr


def _kill(pid: int | None) -> None:
    """Kill a process and wait until it is dead, which is not at once on a busy machine."""
    assert pid is not None
    victim = processes.identify(pid)
    assert victim is not None
    os.kill(pid, signal.SIGKILL)
    while processes.is_alive(victim):
        time.sleep(0.01)


async def _until_back(home: Home, *names: str, limit: float = 60) -> None:
    """Wait until these processes were started again, once, and all of the stack works."""
    deadline = time.monotonic() + limit
    while True:
        found = await home.status()
        again = {one.name for one in found.processes if one.restarts == 1}
        if found.works and again == set(names):
            return
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.3)
