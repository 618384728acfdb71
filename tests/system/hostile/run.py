"""Sends hostile inputs to a running platform, and says what became of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import httpx
from aiokafka import AIOKafkaProducer
from pymongo import AsyncMongoClient

from tests.system.faults import clients
from tests.system.faults.platform import wakeline
from tests.system.faults.subjects import Noise
from tests.system.hostile import archives, bodies, documents, files, paths, shapes
from tests.system.hostile.attack import Attack, wrong, wrong_import
from tests.system.hostile.records import Record
from wakeline_auth import Role
from wakeline_embedded import access, mongod, ports, processes
from wakeline_embedded.layout import BLOCK, Layout, Ports
from wakeline_embedded.state import StackState

SERVICES = ("ingest", "labeling", "review", "training", "prediction", "lineage")
LARGEST_MB = 900
"""Resident memory that no process of a service may ever have had."""
LIMIT = 20.0
"""Seconds that an answer may take."""
POLL_LIMIT = 60.0
"""The same for changes: who asks for them may wait fifty seconds for one."""
TEAM = clients.TEAM


@dataclass
class Report:
    """What came of it."""

    sent: Counter[str] = field(default_factory=Counter)
    """Family -> how many inputs."""
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """What should not have been, a line each."""
    memory_mb: dict[str, int] = field(default_factory=dict)
    """Process -> the most that it ever had resident."""

    def __str__(self) -> str:
        families = ", ".join(f"{count} {name}" for name, count in sorted(self.sent.items()))
        statuses = ", ".join(
            f"{count} x {status}" for status, count in sorted(self.statuses.items())
        )
        largest = max(self.memory_mb.values(), default=0)
        return (
            f"{sum(self.sent.values())} hostile inputs ({families}); answers: {statuses}; "
            f"largest process {largest} MB; {len(self.wrong)} wrong"
        )


class Target:
    """A whole platform in a folder, as ``wakeline up`` starts it."""

    def __init__(self, home: Path) -> None:
        self.layout = Layout.of(home)
        self._clients: dict[str, httpx.AsyncClient] = {}

    @classmethod
    @asynccontextmanager
    async def running(cls, home: Path) -> AsyncIterator[Target]:
        """Start it, and end it afterwards."""
        target = cls(home)
        try:
            port = str(ports.free_block(BLOCK))
            await wakeline(target.layout, ["up", "--port", port], {})
            yield target
        finally:
            for client in target._clients.values():
                await client.aclose()
            await wakeline(target.layout, ["down"], {})

    @property
    def urls(self) -> dict[str, str]:
        """Each service's address."""
        mine = Ports.kept(self.layout)
        return {name: f"http://127.0.0.1:{mine.process(name, 'all')}" for name in SERVICES}

    @property
    def bootstrap(self) -> str:
        """Where Kafka answers."""
        return f"127.0.0.1:{Ports.kept(self.layout).broker}"

    @property
    def dsn(self) -> str:
        """Where MongoDB answers."""
        return mongod.dsn(Ports.kept(self.layout).mongod)

    def client(self, role: str) -> httpx.AsyncClient:
        """A client with a token of a role."""
        if role not in self._clients:
            team = TEAM if role in ("labeler", "reviewer") else None
            token = access.mint(self.layout, role, [Role(role)], team, timedelta(hours=4))
            headers = {"Authorization": f"Bearer {token}"}
            self._clients[role] = httpx.AsyncClient(headers=headers, timeout=LIMIT)
        return self._clients[role]

    def pids(self) -> dict[str, tuple[int, int]]:
        """Process -> its pid and how often it was started again."""
        state = StackState.load(self.layout)
        assert state is not None
        return {
            record.name: (record.process.pid if record.process else 0, record.restarts)
            for record in state.records
        }

    async def ask(self, role: str, service: str, method: str, path: str, **request: Any) -> Any:
        """An honest request that must succeed."""
        headers = {"Idempotency-Key": uuid4().hex} if method == "POST" else {}
        client = self.client(role)
        answer = await client.request(method, self.urls[service] + path, headers=headers, **request)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json()


async def prepare(target: Target) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make a project with a living lease and a living review lease; returns both."""
    stage = {
        **clients.PROJECT_DOCUMENT["stages"][0],
        "lease_minutes": 60,
        "review": {"share": 1.0, "lease_minutes": 60},
        "predictors": [{"name": "external"}],
        "prelabel_wait_seconds": 0,
        "training": None,
    }
    document = {**clients.PROJECT_DOCUMENT, "stages": [stage]}
    await target.ask("admin", "ingest", "PUT", f"/v1/datasets/{clients.DATASET}", json={})
    await target.ask("admin", "labeling", "PUT", f"/v1/teams/{TEAM}", json={"name": "Crew"})
    path = f"/v1/projects/{clients.PROJECT}"
    await target.ask("admin", "labeling", "PUT", path, json=document)
    for number in range(3):
        await upload(target, number)
    first, second = await lease(target), await lease(target)
    await submit(target, first)
    return second, await review(target)


async def upload(target: Target, number: int) -> str:
    """Upload an image."""
    files_ = {"image": (f"{number}.png", Noise(1).picture(number)[0])}
    path = f"/v1/datasets/{clients.DATASET}/assets"
    answer = await target.ask("admin", "ingest", "POST", path, files=files_)
    return str(answer["asset_id"])


async def lease(target: Target) -> dict[str, Any]:
    """Lease a task as soon as there is one."""
    path = f"/v1/projects/{clients.PROJECT}/stages/{clients.STAGE}/leases"
    answer = await _until_there(
        lambda: target.ask("labeler", "labeling", "POST", path, json={"count": 1})
    )
    return dict(answer["leases"][0])


async def submit(target: Target, leased: dict[str, Any]) -> None:
    """Turn a lease into a label."""
    shape = {"id": "w", "class_name": "weed", "geometry": shapes.BOX}
    body = {"fence": leased["fence"], "annotations": [shape]}
    path = f"/v1/leases/{leased['lease_id']}/submit"
    await target.ask("labeler", "labeling", "POST", path, json=body)


async def review(target: Target) -> dict[str, Any]:
    """Lease a review as soon as there is one."""
    body = {"project": clients.PROJECT, "stage": clients.STAGE, "count": 1}
    answer = await _until_there(
        lambda: target.ask("reviewer", "review", "POST", "/v1/reviews/leases", json=body)
    )
    return dict(answer["leases"][0])


async def _until_there(ask: Callable[[], Any]) -> Any:
    async with asyncio.timeout(90):
        while True:
            try:
                return await ask()
            except AssertionError:
                await asyncio.sleep(0.2)


async def described(target: Target) -> dict[str, dict[str, Any]]:
    """Each service's OpenAPI document."""
    return {name: await target.ask("admin", name, "GET", "/openapi.json") for name in SERVICES}


async def all_attacks(
    target: Target, leased: dict[str, Any], reviewed: dict[str, Any], *, each: int
) -> list[Attack]:
    """Every hostile request; ``each`` generated ones of either kind for each operation."""
    told = await described(target)
    known = {
        "project_id": clients.PROJECT,
        "stage": clients.STAGE,
        "dataset_id": clients.DATASET,
        "team_id": TEAM,
        "asset_id": leased["asset"]["asset_id"].replace(":", "%3A"),
        "label_id": reviewed["label_id"],
    }
    return [
        *shapes.attacks(leased, reviewed),
        *files.attacks(clients.DATASET, damaged=each),
        *archives.attacks(clients.DATASET),
        *bodies.attacks(told, known),
        *paths.attacks(told, known),
        *documents.attacks(told, target.urls, each),
    ]


def sample(attacks: Sequence[Attack], size: int, seed: int) -> list[Attack]:
    """Some of each family, always the same for a seed."""
    random = Random(seed)
    families: dict[str, list[Attack]] = {}
    for attack in attacks:
        families.setdefault(attack.family, []).append(attack)
    share = size // len(families)
    return [
        attack
        for family in families.values()
        for attack in random.sample(family, min(share, len(family)))
    ]


async def send(target: Target, attacks: Iterable[Attack], report: Report) -> None:
    """Send each, eight at a time."""
    waiting = iter(attacks)

    async def sender() -> None:
        for attack in waiting:
            await _send(target, attack, report)

    await asyncio.gather(*(sender() for _ in range(8)))


async def _send(target: Target, attack: Attack, report: Report) -> None:
    report.sent[attack.family] += 1
    url = target.urls[attack.service] + attack.path
    limit = POLL_LIMIT if attack.path.startswith("/v1/changes") else LIMIT
    try:
        answer = await target.client(attack.role).request(
            attack.method, url, **{"timeout": limit, **attack.request}
        )
    except (httpx.InvalidURL, UnicodeEncodeError, httpx.LocalProtocolError):
        report.sent[attack.family] -= 1  # it cannot even be sent
        return
    except httpx.TransportError as error:
        report.wrong.append(f"{attack} got no answer: {error!r}")
        return
    report.statuses[answer.status_code] += 1
    content_type = answer.headers.get("content-type", "")
    found = wrong(attack, answer.status_code, content_type, answer.content)
    if found is None and attack.expected == "import refused" and answer.is_success:
        found = await _end_of_import(target, attack, answer.json()["import_id"])
    if found is not None:
        report.wrong.append(found)


async def _end_of_import(target: Target, attack: Attack, import_id: str) -> str | None:
    path = f"{attack.path}/{import_id}"
    try:
        async with asyncio.timeout(120):
            while True:
                ended = await target.ask("admin", "ingest", "GET", path)
                if ended["state"] in ("done", "failed", "cancelled"):
                    break
                await asyncio.sleep(0.3)
    except TimeoutError:
        return f"{attack} does not end: {ended}"
    lines = await target.ask("admin", "ingest", "GET", f"{path}/lines")
    return wrong_import(attack, ended, lines["items"])


async def publish(target: Target, sent: Iterable[Record], report: Report) -> None:
    """Write records to the real topics."""
    producer = AIOKafkaProducer(bootstrap_servers=target.bootstrap, max_request_size=2_000_000)
    await producer.start()
    try:
        for record in sent:
            report.sent["records"] += 1
            await producer.send_and_wait(
                record.topic, record.value, key=record.key, headers=record.headers
            )
    finally:
        await producer.stop()


async def look_after(target: Target, before: dict[str, tuple[int, int]], report: Report) -> None:
    """See that the same processes still run, with as much memory as is right, and still work."""
    for name, (pid, restarts) in target.pids().items():
        if (pid, restarts) != before[name]:
            report.wrong.append(
                f"{name} was started again: {before[name]} became {(pid, restarts)}"
            )
        report.memory_mb[name] = most_memory_mb(pid)
    for name, most in report.memory_mb.items():
        if name in SERVICES and most > LARGEST_MB:
            report.wrong.append(f"{name} had {most} MB")
    for service in SERVICES:
        answer = await target.client("admin").get(f"{target.urls[service]}/health/ready")
        if answer.status_code != 200:
            report.wrong.append(f"{service} is not ready: {answer.text[:200]}")
    try:
        await upload(target, 1_000 + sum(report.sent.values()))
        await submit(target, await lease(target))
        await review(target)
    except TimeoutError:
        report.wrong.append("a label goes no longer through")


def most_memory_mb(pid: int) -> int:
    """The most memory a process ever had resident, in MiB."""
    status = (processes.PROC / str(pid) / "status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) // 1024


async def refused_records(target: Target, limit: float = 400.0) -> Counter[str]:
    """Wait until every try at bad events is over; how many rows each service has set aside, why.

    Raises
    ------
    TimeoutError
        If some are still being tried.
    """
    async with asyncio.timeout(limit), AsyncMongoClient[dict[str, Any]](target.dsn) as mongo:
        found: Counter[str] = Counter()
        while True:
            trying = 0
            for service in SERVICES:
                parked = mongo[f"wakeline_{service}"]["parked"]
                trying += await parked.count_documents({"reason": "failed"})
            if not trying:
                break
            await asyncio.sleep(0.5)
        for service in SERVICES:
            database = mongo[f"wakeline_{service}"]
            async for row in database["dead"].find({}):
                assert row["cause"], row["_id"]
                found[service] += 1
        return found
