"""The service as a process of its own, killed while many upload at once."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import httpx
import pytest

from wakeline_auth import Role
from wakeline_embedded.ports import free_port
from wakeline_prediction.usecases import projection
from wakeline_prediction.wiring import service
from wakeline_process.processes import Kind
from wakeline_process.service import HttpSettings
from wakeline_testing import Scope
from wakeline_testing.own_process import own_process
from wakeline_testing.running import ISSUER, RunningService, running

from .kit import PROJECT, STAGE, asset, configured, opened, settings

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]
UPLOADS = 60
SENDERS = 16


async def test_uploads_that_go_together_are_stored_once_or_not_at_all(stocked: Scope) -> None:
    chance = random.Random(7)
    own = settings(stocked, http=HttpSettings(port=free_port()))
    answered: dict[str, Any] = {}
    token = ISSUER.mint("p-test", {Role.ENGINEER}, None)
    async with (
        running(service(settings(stocked)), stocked, Kind.RELAY) as quiet,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{own.http.port}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        ) as client,
    ):
        await _open_tasks(quiet)
        names = [f"a{n}" for n in range(UPLOADS)]
        while len(answered) < UPLOADS:
            async with own_process(service(own), Kind.SERVE) as process:
                left = iter([name for name in names if name not in answered])
                senders = [
                    asyncio.create_task(_send(client, left, answered)) for _ in range(SENDERS)
                ]
                enough = len(answered) + chance.randint(16, 32)
                while len(answered) < enough and not all(sender.done() for sender in senders):
                    await asyncio.sleep(0.001)
                process.kill()
                await asyncio.gather(*senders)
            assert await _stored(quiet) >= answered.keys()
        assert await _stored(quiet) == set(names)
        jobs = await quiet.database["jobs"].find({}).to_list()
        assert {job["asked"] for job in jobs} == {1}
        assert await quiet.database["uploads"].count_documents({}) == UPLOADS


async def _open_tasks(quiet: RunningService) -> None:
    """Tasks whose predictions are asked for by uploads alone."""

    async def body(session: Any) -> None:
        uow: Any = quiet.stores.open(session)
        await projection.configure_project(uow, configured({"name": "external"}, kinds=("box",)))
        for n in range(UPLOADS):
            await projection.open_target(uow, opened(asset(f"a{n}", b"")))
        await uow.write()

    await quiet.stores.transactions.run(body)
    await quiet.database["jobs"].delete_many({})


async def _send(client: httpx.AsyncClient, left: Any, answered: dict[str, Any]) -> None:
    for name in left:
        box = {"kind": "box", "corners": [4, 4, 14, 14]}
        shape = {"id": "1", "class_name": "spot", "geometry": box, "score": 0.5}
        items = [{"asset_id": f"pictures:{name}", "shapes": [shape]}]
        body = {"project": PROJECT, "stage": "outline", "predictor": "external", "version": "1"}
        try:
            answer = await client.post(
                "/v1/predictions", json=body | {"items": items}, headers={"Idempotency-Key": name}
            )
        except httpx.TransportError:
            return
        if answer.status_code == 503:  # what a killed process had locked
            continue
        assert (answer.status_code, answer.json()["stored"]) == (201, 1), answer.text
        answered[name] = answer.json()


async def _stored(quiet: RunningService) -> set[str]:
    """Assets whose upload is stored: with its target, its job and its answer, or it is not."""
    database, prefix = quiet.database, f"{STAGE}|pictures:"
    targets = await database["targets"].distinct("_id", {"uploads.predictor": "external"})
    jobs = await database["jobs"].distinct("_id")
    records = await database["idempotency"].distinct("_id")
    found = {name.removeprefix(prefix) for name in targets}
    assert {name.removeprefix(f"{projection.PREDICT}:{prefix}") for name in jobs} == found
    assert {name.removeprefix("p-test:") for name in records} == found
    return found
