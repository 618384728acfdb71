"""The service as a process of its own, killed in the middle of everything."""

from __future__ import annotations

import asyncio
import io
import random

import httpx
import numpy as np
import pytest
from PIL import Image

from wakeline_auth import Role
from wakeline_embedded.ports import free_port
from wakeline_events.ingest import AssetIngested
from wakeline_ingest.settings import Settings
from wakeline_ingest.wiring import service
from wakeline_process.processes import Kind
from wakeline_process.service import HttpSettings
from wakeline_testing import Scope
from wakeline_testing.own_process import own_process
from wakeline_testing.running import ISSUER, published, running, settings_of

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]

SET = "/v1/datasets/fields"
ASSETS = f"{SET}/assets"


def picture(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (12, 16, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((320, 240)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


async def test_uploads_and_groups_survive_the_kill_of_every_process(scope: Scope) -> None:
    chance = random.Random(5)
    settings = settings_of(scope, "ingest", Settings, http=HttpSettings(port=free_port()))
    pictures = {f"{n}.jpg": picture(n) for n in range(24)}
    answered: dict[str, str] = {}
    token = ISSUER.mint("p-test", {Role.ENGINEER}, None)
    async with (
        running(service(settings_of(scope, "ingest", Settings)), scope, Kind.RELAY) as quiet,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{settings.http.port}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        ) as client,
    ):
        jobs = quiet.database["jobs"]
        while len(answered) < len(pictures):
            async with own_process(service(settings), Kind.SERVE) as process:
                (await client.put(SET, json={})).raise_for_status()
                left = [name for name in pictures if name not in answered]
                sends = [asyncio.create_task(_send(client, n, pictures[n], answered)) for n in left]
                enough = len(answered) + chance.randint(4, 12)
                while len(answered) < enough and not all(send.done() for send in sends):
                    await asyncio.sleep(0.001)
                process.kill()
                await asyncio.gather(*sends)
        for _ in range(3):
            async with own_process(service(settings), Kind.RUN) as process:
                while not await jobs.count_documents({"state": "running"}):
                    await asyncio.sleep(0.01)
                await asyncio.sleep(chance.uniform(0, 0.6))
                process.kill()
            # No use in waiting, and what has met three kills is tried alone from then on: slow.
            await jobs.update_many({}, [{"$set": {"not_before": "$$NOW", "attempt": 0}}])
            if not await jobs.count_documents({}):
                break
        async with own_process(service(settings), Kind.RUN):
            while await jobs.count_documents({}):
                await asyncio.sleep(0.05)
        await quiet.settled()
        events = [
            AssetIngested.model_validate_json(e.data) for e in await published(scope, "ingest")
        ]
        assert sorted(event.asset_id for event in events) == sorted(answered.values())
        assert len(set(answered.values())) == len(pictures)
        blobs = quiet.process.runtime.resources.blobs
        for row in await quiet.database["assets"].find().to_list():
            assert await blobs.get("assets", row["image"]) == pictures[row["declared"]["file_name"]]
            assert (await blobs.get("assets", row["thumbnail"]))[:2] == b"\xff\xd8"
        assert await quiet.database["previews"].count_documents({}) == 0
        assert await quiet.database["fingerprints"].count_documents({}) == len(pictures)


async def _send(
    client: httpx.AsyncClient, name: str, data: bytes, answered: dict[str, str]
) -> None:
    try:
        answer = await client.post(
            ASSETS, files={"image": (name, data)}, headers={"Idempotency-Key": name}
        )
    except httpx.TransportError:
        return
    if answer.status_code == 503:  # what a killed process had locked
        return
    assert answer.status_code == 201, answer.text
    answered[name] = answer.json()["asset_id"]
