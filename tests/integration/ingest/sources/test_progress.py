"""How far a sync is: in memory a chunk, and on from there when somebody ends it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.integration.ingest.images import Bucket, everything, picture
from wakeline_blobs import Blobs, SourceBucket
from wakeline_ingest.importing import sync as syncing
from wakeline_ingest.wiring import service
from wakeline_process.processes import Kind
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, running

from .kit import SET, SOURCE, settings, synced

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


async def test_a_sync_reads_a_listing_only_as_far_as_it_has_come(
    ingest: RunningService,
    client: httpx.AsyncClient,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(syncing, "CHUNK", 4)
    for n in range(15):
        await bucket.put(f"in/{n:02}.png", picture(n, 16))
    listed, taken, ahead = 0, 0, 0
    real_list, real_take = Blobs.list, syncing.Sync._take

    async def counting(self: Blobs, *args: Any) -> AsyncIterator[Any]:
        nonlocal listed, ahead
        async for info in real_list(self, *args):
            listed += 1
            ahead = max(ahead, listed - taken)
            yield info

    async def taking(self: syncing.Sync, chunk: Any) -> None:
        nonlocal taken
        await real_take(self, chunk)
        taken += len(chunk)

    monkeypatch.setattr(Blobs, "list", counting)
    monkeypatch.setattr(syncing.Sync, "_take", taking)
    assert (await synced(client, ingest))["counts"] == {"new": 15}
    assert (listed, taken, ahead) == (15, 15, 4 + 1)


async def test_a_sync_goes_on_where_a_dead_process_was(
    scope: Scope, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "CHUNK", 4)
    for n in range(18):
        await bucket.put(f"in/{n:02}.png", picture(n))
    chosen = settings(scope)
    real = Blobs.fetch
    fetched: list[str] = []

    async def dies(self: Blobs, where: str, key: str, *rest: Any, **more: Any) -> int:
        fetched.append(key)
        if len(fetched) == 11:  # in the third chunk: two are stored
            raise asyncio.CancelledError
        return await real(self, where, key, *rest, **more)

    async with (
        running(service(chosen), scope, Kind.SERVE) as front,
        front.client("engineer") as client,
    ):
        await client.put(SET, json={})
        await client.put(SOURCE, json={"bucket": bucket.name, "prefix": "in/"})
        begun = (await client.post(f"{SOURCE}/sync")).json()
        again = (await client.post(f"{SOURCE}/sync")).json()
        assert again["import_id"] == begun["import_id"]
        with monkeypatch.context() as patched:
            patched.setattr(Blobs, "fetch", dies)
            async with running(service(chosen), scope, Kind.RUN):
                while len(fetched) < 11:
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.2)
        # as a kill leaves it: leased by nobody that lives
        await front.database["jobs"].update_many(
            {"kind": "sync"}, [{"$set": {"state": "running", "not_before": "$$NOW"}}]
        )
        before = len(fetched)
        monkeypatch.setattr(
            Blobs, "fetch", lambda s, b, k, *r, **m: (fetched.append(k), real(s, b, k, *r, **m))[1]
        )
        async with running(service(chosen), scope) as revived:
            await revived.settled()
        shown = (await client.get(f"{SET}/imports/{begun['import_id']}")).json()
        assert (shown["state"], shown["counts"]) == ("done", {"new": 18})
        assert not {f"in/{n:02}.png" for n in range(8)} & set(fetched[before:])
        assert (await client.get(SET)).json()["ingested"] == 18


async def test_a_cancelled_sync_ends_and_the_next_one_takes_the_rest(
    scope: Scope, bucket: Bucket
) -> None:
    await bucket.put("in/0.png", picture(0))
    chosen = settings(scope)
    async with (
        running(service(chosen), scope, Kind.SERVE) as front,
        front.client("engineer") as client,
    ):
        await client.put(SET, json={})
        await client.put(SOURCE, json={"bucket": bucket.name, "prefix": "in/"})
        begun = (await client.post(f"{SOURCE}/sync")).json()
        ended = await client.post(f"{SET}/imports/{begun['import_id']}/cancel")
        assert ended.json()["state"] == "cancelled"
        assert await front.database["jobs"].count_documents({}) == 0
        async with running(service(chosen), scope) as process:
            assert (await synced(client, process))["counts"] == {"new": 1}
        assert len(await everything(client, f"{SET}/imports", limit=1)) == 2
        assert SourceBucket(bucket.name) == bucket.name
