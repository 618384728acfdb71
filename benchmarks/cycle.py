"""Lease and submit at 16 labelers, everything running, against a bare pair of endpoints.

``TASKS`` (default 1,000) images are announced as ingest would, and become tasks; then one labeler
leases and submits a tenth of them, and 16 labelers the rest. Reported: cycles per second and their
ratio to the bare pair on the same mongod and the same client, the 95th percentile of lease and
submit, tasks given twice (must be 0), and how long the backlog (outboxes, consumers, review) took
to drain; and what one labeler alone waits for the next task and for a submit, as medians, beside
one client of the bare pair.
"""

import asyncio
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from pymongo import AsyncMongoClient

from benchmarks import events, processes
from benchmarks.consumer import send
from wakeline_auth import Role
from wakeline_embedded import daemon, ports
from wakeline_embedded.access import mint
from wakeline_embedded.documents import read as read_document
from wakeline_embedded.layout import Layout, Options, Ports
from wakeline_embedded.state import StackState
from wakeline_messaging import KafkaSettings
from wakeline_sdk import AsyncClient, Upload

LABELERS = 16
YARDSTICK = "two bare endpoints on the same mongod: find_one_and_update, a transaction of two"
GOALS = {
    "ratio": (">=", 0.5),
    "lease_p95_ms": ("<", 150.0),
    "given_twice": ("==", 0),
    "backlog_drained_s": ("<=", 60.0),
    "one_labeler_next_ms": ("<=", 10.0),
    "one_labeler_submit_ms": ("<=", 15.0),
}
TASKS = int(os.environ.get("TASKS", "1000"))
ALONE = TASKS // 10
"""Cycles of one labeler alone."""
PROJECT, STAGE = "cycle", "boxes"
BOX = {
    "id": "1",
    "class_name": "thing",
    "geometry": {"kind": "box", "corners": [4.0, 4.0, 20.0, 20.0]},
}


@dataclass
class Load:
    """What the labelers saw."""

    seconds: float = 0.0
    tasks: Counter[str] = field(default_factory=Counter)
    lease_ms: list[float] = field(default_factory=list)
    submit_ms: list[float] = field(default_factory=list)
    cpu: processes.Spent = field(default_factory=dict)

    @property
    def cycles_per_second(self) -> float:
        """Labels a second."""
        return len(self.submit_ms) / self.seconds


Cycle = Callable[[httpx.AsyncClient, Load], Awaitable[bool]]
Feed = Callable[[AsyncClient, Layout], Awaitable[None]]


async def measure() -> dict[str, Any]:
    """Run both and compare."""
    with tempfile.TemporaryDirectory(prefix="wakeline-cycle-") as folder:
        layout = Layout.prepared(Path(folder))
        async with _stack(layout) as (client, dsn):
            tokens = await _prepare(client, layout, _announce)
            url = (await client.operations.services())["labeling"]
            spent = partial(processes.cpu_of_stack, layout)
            alone = await _drive([_labeler(url, tokens[0])], _our_cycle, spent, ALONE)
            ours = await _drive([_labeler(url, token) for token in tokens], _our_cycle, spent)
            draining = spent()
            drained = await _drained(client)
            afterwards = processes.difference(spent(), draining)
            bare_alone, bare = await _bare(dsn, layout)
    twice = sum(1 for count in (alone.tasks + ours.tasks).values() if count > 1)
    return {
        "labelers": LABELERS,
        "tasks": TASKS,
        "cycles_per_second": round(ours.cycles_per_second, 1),
        "bare_cycles_per_second": round(bare.cycles_per_second, 1),
        "ratio": round(ours.cycles_per_second / bare.cycles_per_second, 3),
        "lease_p95_ms": _p95(ours.lease_ms),
        "submit_p95_ms": _p95(ours.submit_ms),
        "bare_lease_p95_ms": _p95(bare.lease_ms),
        "given_twice": twice,
        "labels": len(alone.submit_ms) + len(ours.submit_ms),
        "backlog_drained_s": round(drained, 1),
        "one_labeler_next_ms": _median(alone.lease_ms),
        "one_labeler_submit_ms": _median(alone.submit_ms),
        "bare_one_client_next_ms": _median(bare_alone.lease_ms),
        "bare_one_client_submit_ms": _median(bare_alone.submit_ms),
        "cpu_ms_a_cycle": processes.cpu_ms_each(ours.cpu, len(ours.submit_ms)),
        "cpu_ms_a_cycle_while_drained": processes.cpu_ms_each(afterwards, len(ours.submit_ms)),
        "bare_cpu_ms_a_cycle": processes.cpu_ms_each(bare.cpu, len(bare.submit_ms)),
    }


@asynccontextmanager
async def _stack(layout: Layout) -> AsyncIterator[tuple[AsyncClient, str]]:
    Options().save(layout)
    Ports.kept(layout, None)
    await asyncio.to_thread(daemon.start, layout)
    try:
        async with asyncio.timeout(120):
            while (state := StackState.load(layout)) is None or state.phase != "up":
                await asyncio.sleep(0.2)
        access = read_document(layout.client)
        assert access is not None
        dsn = f"mongodb://127.0.0.1:{Ports.kept(layout).mongod}/?replicaSet=rs0"
        async with AsyncClient(access["url"], access["token"]) as client:
            yield client, dsn
    finally:
        await asyncio.to_thread(daemon.stop, layout)


async def _announce(client: AsyncClient, layout: Layout) -> None:
    """Tell of images that nobody will look at: what is measured begins with a lease."""
    await client.datasets.create(PROJECT)
    settings = KafkaSettings(bootstrap=f"127.0.0.1:{Ports.kept(layout).broker}")
    await send(settings, (events.ingested(number, PROJECT) for number in range(TASKS)))


async def _upload(client: AsyncClient, _: Layout) -> None:
    """Upload small pictures of noise, and wait until all of them are placed."""
    await client.datasets.create(PROJECT)
    random = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        uploads = []
        for number in range(TASKS):
            path = Path(folder) / f"{number}.png"
            pixels = random.integers(0, 256, (32, 32), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
            uploads.append(Upload(path))
        report = await client.datasets.upload_all(PROJECT, uploads)
        assert not report.refused, report.refused[0].reason
    while (await client.datasets.get(PROJECT)).ingested < TASKS:
        await asyncio.sleep(0.2)


async def _prepare(client: AsyncClient, layout: Layout, feed: Feed) -> list[str]:
    """Feed images, open their tasks, and hire sixteen people."""
    await feed(client, layout)
    await client.teams.put("crew", name="crew", cost_per_hour=12)
    people = [
        await client.people.create(f"labeler {n}", team_id="crew", roles=["labeler"])
        for n in range(LABELERS)
    ]
    await client.projects.apply(
        {
            "project": PROJECT,
            "datasets": [PROJECT],
            "ontology": {"classes": [{"name": "thing", "kinds": ["box"]}]},
            "stages": [
                {
                    "name": STAGE,
                    "team": "crew",
                    "paired_below": 0,
                    "prelabel_wait_seconds": 0,
                    "review": {"share": 0},
                }
            ],
        }
    )
    while (await client.projects.status(PROJECT, STAGE))["slots"]["queued"] < TASKS:
        await asyncio.sleep(0.2)
    return [mint(layout, p.person_id, [Role.LABELER], "crew", timedelta(hours=1)) for p in people]


def _labeler(url: str, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)


async def _our_cycle(client: httpx.AsyncClient, load: Load) -> bool:
    key = {"Idempotency-Key": secrets.token_hex(8)}
    started = time.perf_counter()
    answer = await client.post(
        f"/v1/projects/{PROJECT}/stages/{STAGE}/leases", json={"count": 1}, headers=key
    )
    if answer.status_code == 404:
        return False
    answer.raise_for_status()
    load.lease_ms.append((time.perf_counter() - started) * 1000)
    (lease,) = answer.json()["leases"]
    load.tasks[lease["task_id"]] += 1
    started = time.perf_counter()
    answer = await client.post(
        f"/v1/leases/{lease['lease_id']}/submit",
        json={"fence": lease["fence"], "annotations": [BOX], "seconds": 5.0},
        headers={"Idempotency-Key": secrets.token_hex(8)},
    )
    answer.raise_for_status()
    load.submit_ms.append((time.perf_counter() - started) * 1000)
    return True


async def _bare_cycle(client: httpx.AsyncClient, load: Load) -> bool:
    started = time.perf_counter()
    answer = await client.post("/lease")
    if answer.status_code == 404:
        return False
    load.lease_ms.append((time.perf_counter() - started) * 1000)
    task = answer.json()["task_id"]
    load.tasks[str(task)] += 1
    started = time.perf_counter()
    answer = await client.post(f"/submit/{task}", json={"annotations": [BOX]})
    answer.raise_for_status()
    load.submit_ms.append((time.perf_counter() - started) * 1000)
    return True


async def _drive(
    clients: list[httpx.AsyncClient],
    cycle: Cycle,
    spent: Callable[[], processes.Spent],
    most: int | None = None,
) -> Load:
    """Let clients go through cycles until nothing is left, or so many are done.

    ``spent`` says what the servers have had of the processor so far.
    """
    load = Load()

    async def work(client: httpx.AsyncClient) -> None:
        async with client:
            while len(load.submit_ms) != most and await cycle(client, load):
                pass

    before = spent() | {"client": time.process_time()}
    started = time.perf_counter()
    await asyncio.gather(*(work(client) for client in clients))
    load.seconds = time.perf_counter() - started
    load.cpu = processes.difference(spent() | {"client": time.process_time()}, before)
    return load


async def _drained(client: AsyncClient) -> float:
    """Seconds until every label is accepted and every outbox is empty."""
    started = time.perf_counter()
    while True:
        counts = await client.reviews.status(PROJECT, STAGE)
        backlogs = [
            await client.operations.backlog(name) for name in await client.operations.services()
        ]
        empty = all(b.outbox_rows == 0 and b.parked == 0 and b.waiting == 0 for b in backlogs)
        if counts.get("merged", 0) >= TASKS and empty:
            return time.perf_counter() - started
        if time.perf_counter() - started > 300:
            raise TimeoutError(f"not drained: {counts}")
        await asyncio.sleep(0.2)


async def _bare(dsn: str, layout: Layout) -> tuple[Load, Load]:
    """The same with the bare pair: one client alone, then as many as there are labelers."""
    async with AsyncMongoClient[dict[str, Any]](dsn) as mongo:
        tasks = mongo["benchmark_bare"]["tasks"]
        await tasks.drop()
        await tasks.create_index([("state", 1), ("_id", 1)])
        await tasks.insert_many([{"_id": n, "state": "queued"} for n in range(TASKS)])
    port = ports.free_port()
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.bare",
        env={**os.environ, "BARE_DSN": dsn, "BARE_PORT": str(port)},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as probe:
            while True:
                try:
                    await probe.get(url)
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        clients = [httpx.AsyncClient(base_url=url, timeout=30) for _ in range(LABELERS + 1)]

        def spent() -> processes.Spent:
            mongod = processes.cpu_of_stack(layout)["mongod"]
            return {"mongod": mongod, "endpoints": processes.cpu_seconds(server.pid)}

        alone = await _drive(clients[:1], _bare_cycle, spent, ALONE)
        return alone, await _drive(clients[1:], _bare_cycle, spent)
    finally:
        server.terminate()
        await server.wait()


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 1)


def _p95(values: list[float]) -> float:
    return round(statistics.quantiles(values, n=20)[18], 1)
