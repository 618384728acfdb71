"""The service dies by SIGKILL while sixteen people lease and submit: nothing is lost or doubled."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

from wakeline_auth import Role
from wakeline_embedded.ports import free_port
from wakeline_events.labeling import LabelCompleted
from wakeline_testing.running import ISSUER, published, settled

from .conftest import Lab, box

pytestmark = [pytest.mark.long, pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]

TASKS = 120
KILLS = 2
TOGETHER = 3
"""Leases that are submitted at once."""
ROOT = Path(__file__).parents[3]


def environment(lab: Lab, port: int) -> dict[str, str]:
    """Settings of a second process of the lab's service."""
    settings = lab.service.process.runtime.service.settings
    own = {
        "MONGO__DSN": settings.mongo.dsn.get_secret_value(),
        "MONGO__DATABASE": settings.mongo.database,
        "KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "KAFKA__TOPIC_PREFIX": settings.kafka.topic_prefix,
        "BLOBS__ENDPOINT": settings.blobs.endpoint,
        "BLOBS__ACCESS_KEY": settings.blobs.access_key,
        "BLOBS__SECRET_KEY": settings.blobs.secret_key.get_secret_value(),
        "BLOBS__PREFIX": settings.blobs.prefix,
        "AUTH__ISSUER": ISSUER.issuer,
        "AUTH__JWKS": orjson.dumps(ISSUER.jwks()).decode(),
        "HTTP__PORT": str(port),
    }
    return os.environ | {f"WAKELINE_LABELING_{name}": value for name, value in own.items()}


@asynccontextmanager
async def serving(env: dict[str, str], port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that serves; gone at the end, however it went."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wakeline_labeling", "serve", env=env, stdout=-3, stderr=-3
    )
    try:
        async with httpx.AsyncClient() as client:
            while True:
                assert process.returncode is None
                try:
                    await client.get(f"http://127.0.0.1:{port}/health/live")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Stubborn:
    """A labeler who sends each request again, with its key, until it is answered."""

    def __init__(self, port: int, name: str) -> None:
        token = ISSUER.mint(name, {Role.LABELER}, "botanists")
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )

    async def post(self, path: str, body: Any) -> httpx.Response:
        key = {"Idempotency-Key": uuid4().hex}
        while True:
            try:
                answer = await self.client.post(path, json=body, headers=key)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code != 503:
                return answer

    async def work(self, leased: Counter[str], labels: Counter[str]) -> None:
        async with self.client:
            while True:
                answer = await self.post("/v1/projects/field/stages/weeds/leases", {"count": 2})
                if answer.status_code == 404:
                    return
                assert answer.status_code == 201, answer.text
                for lease in answer.json()["leases"]:
                    leased[lease["task_id"]] += 1
                    body = {"fence": lease["fence"], "annotations": [box("a")]}
                    done = await self.post(f"/v1/leases/{lease['lease_id']}/submit", body)
                    assert done.status_code == 201, done.text
                    labels[done.json()["label_id"]] += 1


async def test_a_killed_service_loses_and_doubles_nothing(lab: Lab) -> None:
    await lab.configure(control_share=0.2, uniform_share=0.1)
    await lab.ingest(range(TASKS))
    await lab.no_waiting()
    port = free_port()
    env = environment(lab, port)
    leased: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    people = [Stubborn(port, f"p{n}").work(leased, labels) for n in range(16)]
    crowd = asyncio.gather(*people)
    for kill in range(KILLS):
        async with serving(env, port) as process:
            enough = TASKS * (kill + 1) // (KILLS + 2)
            while labels.total() < enough and not crowd.done():
                await asyncio.sleep(0.01)
            process.send_signal(signal.SIGKILL)
    async with serving(env, port):
        await crowd
    await settled(lab.service)
    assert set(leased.values()) == {1}
    assert len(leased) == TASKS
    assert len(labels) == TASKS
    assert set(labels.values()) == {1}
    stored = await lab.service.database["labels"].distinct("_id")
    assert sorted(stored) == sorted(labels)
    events = [e.event() for e in await published(lab.service.scope, "labeling")]
    completed = Counter(e.label_id for e in events if isinstance(e, LabelCompleted))
    assert completed == labels


async def until_answered(lab: Lab, lease_id: str, body: dict[str, Any]) -> str:
    """Submit until MongoDB has ended the transaction of the dead that holds the slot."""
    while True:
        answer = await lab.person("ann").post(f"/v1/leases/{lease_id}/submit", json=body)
        if answer.status_code != 503:
            assert answer.status_code == 201, answer.text
            return str(answer.json()["label_id"])


async def test_submits_that_go_together_are_all_or_none_wherever_the_kill_falls(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest(range(TASKS))
    await lab.no_waiting()
    python_path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    dying = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.labeling.dying",
        cwd=ROOT,
        env=environment(lab, free_port()) | {"PYTHONPATH": python_path},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert dying.stdin is not None
    assert dying.stdout is not None
    token = ISSUER.mint("ann", {Role.LABELER}, "botanists")
    given: dict[str, dict[str, Any]] = {}
    acknowledged: dict[str, str] = {}
    part_way = 0
    for after in range(1, TASKS):
        leases = {lease["lease_id"]: lease for lease in await lab.lease("ann", count=TOGETHER)}
        assert len(leases) == TOGETHER
        bodies = {
            lease_id: {"fence": lease["fence"], "annotations": [box("a")]}
            for lease_id, lease in leases.items()
        }
        order = {"token": token, "submits": bodies, "after": after}
        dying.stdin.write(orjson.dumps(order) + b"\n")
        report = orjson.loads(await dying.stdout.readline())
        given |= bodies
        acknowledged |= report["acknowledged"]
        stored = await lab.service.database["labels"].count_documents(
            {"lease_id": {"$in": [*leases]}}
        )
        part_way += 0 < stored < TOGETHER
        if not report["killed"]:
            assert report["status"] == 0
            assert len(report["acknowledged"]) == TOGETHER
            break
    else:
        pytest.fail("no child has outlived its commands")
    dying.stdin.close()
    await dying.wait()
    assert part_way, "every kill found all labels or none: nothing went together"
    again = [await until_answered(lab, lease, body) for lease, body in given.items()]
    labels = dict(zip(given, again, strict=True))
    assert acknowledged.items() <= labels.items()
    assert set(await lab.service.database["labels"].distinct("_id")) == set(again)
    await settled(lab.service)
    events = [e.event() for e in await published(lab.service.scope, "labeling")]
    completed = Counter(e.label_id for e in events if isinstance(e, LabelCompleted))
    assert completed == Counter(again)


async def test_each_of_the_submits_that_go_together_keeps_its_own_trace(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest(range(TOGETHER * 3))
    await lab.no_waiting()
    leases = await lab.lease("ann", count=TOGETHER * 3)

    async def submit(lease: dict[str, Any]) -> tuple[str, str]:
        answer = await lab.person("ann").post(
            f"/v1/leases/{lease['lease_id']}/submit",
            json={"fence": lease["fence"], "annotations": [box("a")]},
            headers={"X-Correlation-Id": f"work-on-{lease['task_id']}"},
        )
        return answer.json()["label_id"], f"work-on-{lease['task_id']}"

    labels = dict(await asyncio.gather(*map(submit, leases)))
    await settled(lab.service)
    found = {
        envelope.event().label_id: envelope.correlation
        for envelope in await published(lab.service.scope, "labeling")
        if envelope.type == LabelCompleted.TYPE
    }
    assert found == labels
