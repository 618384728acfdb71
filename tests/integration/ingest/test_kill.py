"""The service as a process of its own, killed in the middle of everything."""

from __future__ import annotations

import asyncio
import io
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.integration.ingest.images import Bucket, bucket_of, everything
from tests.integration.ingest.images import picture as small
from tests.integration.ingest.sending import imported, staged, zip_of
from tests.integration.ingest.test_urls import serving, whole
from wakeline_auth import Role
from wakeline_embedded.ports import free_port
from wakeline_events.ingest import AssetIngested, AssetRestored, AssetWithdrawn
from wakeline_ingest.domain.records import reference_key
from wakeline_ingest.settings import Settings, UrlSettings
from wakeline_ingest.wiring import service
from wakeline_process.processes import Kind
from wakeline_process.service import HttpSettings, Service
from wakeline_testing import Scope
from wakeline_testing.own_process import end_transactions, own_process
from wakeline_testing.running import ISSUER, RunningService, published, running, settings_of

pytestmark = [pytest.mark.long, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]

SET = "/v1/datasets/fields"
ASSETS = f"{SET}/assets"


def mortal(scope: Scope, **own: Any) -> Settings:
    """Settings of processes that are killed, and known to MongoDB as such."""
    mongo, http = scope.mongo_of("ingest", scope.name), HttpSettings(port=free_port())
    return settings_of(scope, "ingest", Settings, mongo=mongo, http=http, **own)


def picture(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (12, 16, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((320, 240)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


async def test_uploads_and_groups_survive_the_kill_of_every_process(scope: Scope) -> None:
    chance = random.Random(5)
    settings = mortal(scope)
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
            await end_transactions(service(settings))
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


FILES = 130
"""More than a chunk of any import."""
pytestmark.append(pytest.mark.timeout(600))  # each kill is followed by the start of a process


@dataclass
class Front:
    """A service that answers and publishes while its runner is killed again and again."""

    service: RunningService
    quiet: Service[Any, Any]
    settings: Settings
    client: httpx.AsyncClient
    chance: random.Random

    async def survive(self, where: str, kills: int = 1) -> dict[str, Any]:
        """Kill the runner in the middle of an import a few times, then let it end."""
        jobs = self.service.database["jobs"]
        for _ in range(kills):
            async with own_process(service(self.settings), Kind.RUN) as process:
                behind = await self._counted(where)
                while await self._counted(where) == behind and await self._runs(where):
                    await asyncio.sleep(0.01)
                await asyncio.sleep(self.chance.uniform(0, 0.4))
                process.kill()
            await end_transactions(service(self.settings))
            # In place of waiting for the lease to end.
            free = [{"$set": {"not_before": "$$NOW", "attempt": 0}}]
            await jobs.update_many({"state": "running"}, free)
        return await self.end(where)

    async def end(self, where: str) -> dict[str, Any]:
        """Let an import end, in this process."""
        jobs = self.service.database["jobs"]
        async with running(self.quiet, self.service.scope, Kind.RUN):
            while await self._runs(where):
                await asyncio.sleep(0.05)
            # What a runner that was killed at its very end left is collected a day later.
            late = [{"$set": {"not_before": "$$NOW"}}]
            await jobs.update_many({"kind": "collect"}, late)
            while await jobs.count_documents({}):
                await asyncio.sleep(0.05)
        await self.service.settled()
        return dict((await self.client.get(where)).json())

    async def told(
        self, kind: type[AssetIngested | AssetWithdrawn | AssetRestored]
    ) -> Counter[str]:
        """How often an event of a kind was published, by asset."""
        events = [envelope.event() for envelope in await published(self.service.scope, "ingest")]
        return Counter(event.key for event in events if isinstance(event, kind))

    async def _counted(self, where: str) -> int:
        return sum((await self.client.get(where)).json()["counts"].values())

    async def _runs(self, where: str) -> bool:
        return (await self.client.get(where)).json()["state"] in ("queued", "running")


@asynccontextmanager
async def front(scope: Scope, **own: Any) -> AsyncIterator[Front]:
    """Answers in the test's process, for its runner is the one to be killed."""
    chosen = mortal(scope, **own)
    quiet = service(settings_of(scope, "ingest", Settings, **own))
    async with (
        running(quiet, scope, Kind.SERVE) as serve,
        running(quiet, scope, Kind.RELAY),
        serve.client("engineer") as client,
    ):
        await client.put(SET, json={})
        yield Front(serve, quiet, chosen, client, random.Random(7))


async def assert_all_there_once(front: Front, where: str, ended: dict[str, Any]) -> None:
    """All but one are assets; the last is the first one again, under another name."""
    assert ended["state"] == "done", ended
    assert counted(ended) == {"new": FILES, "duplicate": 1}
    lines = await everything(front.client, f"{where}/lines", limit=200)
    assert Counter(str(line["outcome"]) for line in lines) == {"new": FILES, "duplicate": 1}
    assert len({line["name"] for line in lines}) == FILES + 1
    assert await front.told(AssetIngested) == {str(line["asset_id"]): 1 for line in lines}
    blobs = front.service.process.runtime.resources.blobs
    rows = await front.service.database["assets"].find().to_list()
    kept = [await blobs.get("assets", row["image"]) for row in rows]
    assert sorted(kept) == sorted(small(n, 24) for n in range(FILES))


def counted(ended: dict[str, Any]) -> dict[str, int]:
    return {outcome: number for outcome, number in ended["counts"].items() if number}


def named() -> Iterator[tuple[str, bytes]]:
    """Files by name, of which the last one is the first one again."""
    yield from ((f"{n:03}.png", small(n % FILES, 24)) for n in range(FILES + 1))


async def test_an_archive_survives_the_kill_of_its_runner(scope: Scope) -> None:
    async with front(scope) as opened:
        where = await imported(opened.client, zip_of(dict(named())))
        await assert_all_there_once(opened, where, await opened.survive(where, kills=2))
        assert await staged(opened.service) == []


async def test_a_list_of_urls_survives_the_kill_of_its_runner(scope: Scope) -> None:
    async with serving() as host:
        host.pages = {f"/{name}": whole(data) for name, data in named()}
        urls = UrlSettings(
            hosts=(f"127.0.0.1:{host.port}",),
            schemes=("http",),
            networks=(ip_network("127.0.0.1/32"),),
        )
        async with front(scope, urls=urls) as opened:
            listed = "\n".join(host.url(path) for path in host.pages).encode()
            where = await imported(opened.client, listed, kind="urls")
            await assert_all_there_once(opened, where, await opened.survive(where, kills=2))
            assert await staged(opened.service) == []


@asynccontextmanager
async def filled(scope: Scope) -> AsyncIterator[tuple[Front, Bucket]]:
    """A source with all files in it, not synced yet."""
    allowed = (f"{scope.name}-source-*",)
    async with bucket_of(scope) as bucket, front(scope, source_buckets=allowed) as opened:
        await asyncio.gather(*(bucket.put(name, data) for name, data in named()))
        await opened.client.put(f"{SET}/sources/lake", json={"bucket": bucket.name})
        yield opened, bucket


async def test_a_sync_survives_the_kill_of_its_runner(scope: Scope) -> None:
    async with filled(scope) as (opened, _):
        where = await synced(opened)
        await assert_all_there_once(opened, where, await opened.survive(where))


async def test_what_is_said_of_lost_images_survives_the_kill_of_the_runner(scope: Scope) -> None:
    async with filled(scope) as (opened, bucket):
        await opened.end(await synced(opened))
        rows = await opened.service.database["assets"].find().to_list()
        assets = {row["declared"]["file_name"]: row["_id"] for row in rows}
        await asyncio.gather(*(bucket.delete(name) for name in assets))
        del assets["000.png"]  # stays: it has a copy
        ended = await opened.survive(await synced(opened))
        assert counted(ended) == {"gone": len(assets), "moved": 1, "unchanged": 1}
        assert await opened.told(AssetWithdrawn) == dict.fromkeys(assets.values(), 1)
        await asyncio.gather(*(bucket.put(name, data) for name, data in named() if name in assets))
        ended = await opened.survive(await synced(opened))
        assert counted(ended) == {"duplicate": len(assets), "unchanged": 1}
        assert await opened.told(AssetRestored) == dict.fromkeys(assets.values(), 1)


async def test_images_that_are_kept_survive_the_kill_of_the_runner(scope: Scope) -> None:
    async with filled(scope) as (opened, bucket):
        await opened.end(await synced(opened))
        again = {"bucket": bucket.name, "copy": True}
        await opened.client.put(f"{SET}/sources/kept", json=again)
        ended = await opened.survive(await synced(opened, "kept"), kills=2)
        assert counted(ended) == {"updated": FILES, "duplicate": 1}
        await asyncio.gather(*(bucket.delete(name) for name, _ in named()))
        assert counted(await opened.end(await synced(opened))) == {"moved": FILES + 1}
        blobs = opened.service.process.runtime.resources.blobs
        for row in await opened.service.database["assets"].find().to_list():
            told = reference_key("fields", row["digest"])
            assert await blobs.get("assets", told) == await blobs.get("assets", row["image"])
        assert await opened.told(AssetWithdrawn) == {}


async def synced(front: Front, source: str = "lake") -> str:
    begun = await front.client.post(f"{SET}/sources/{source}/sync")
    assert begun.status_code == 202, begun.text
    return f"{SET}/imports/{begun.json()['import_id']}"
