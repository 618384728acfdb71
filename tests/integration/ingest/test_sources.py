"""Images that stay in their own bucket: registered by reference, synced again and again."""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.integration.ingest.images import Bucket, bucket_of, everything, picture
from wakeline_blobs import BlobChangedError, Blobs, SourceBucket
from wakeline_embedded import ports
from wakeline_events.base import Event
from wakeline_events.ingest import AssetIngested, AssetRestored, AssetWithdrawn
from wakeline_ingest import usecases
from wakeline_ingest.importing import sync as syncing
from wakeline_ingest.settings import Settings
from wakeline_ingest.wiring import service
from wakeline_process.processes import Kind
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, published, running, settings_of
from wakeline_trainer.contract import S3Settings
from wakeline_trainer.storage import Storage

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]

SET = "/v1/datasets/fields"
SOURCE = f"{SET}/sources/lake"


def settings(scope: Scope) -> Settings:
    return settings_of(scope, "ingest", Settings, source_buckets=(f"{scope.name}-source-*",))


@pytest.fixture
async def bucket(scope: Scope) -> AsyncIterator[Bucket]:
    async with bucket_of(scope) as opened:
        yield opened


@pytest.fixture
async def ingest(scope: Scope) -> AsyncIterator[RunningService]:
    async with running(service(settings(scope)), scope) as process:
        yield process


@pytest.fixture
async def client(ingest: RunningService, bucket: Bucket) -> AsyncIterator[httpx.AsyncClient]:
    async with ingest.client("engineer") as opened:
        await opened.put(SET, json={})
        made = await opened.put(SOURCE, json={"bucket": bucket.name, "prefix": "in/"})
        assert made.status_code == 200, made.text
        yield opened


async def synced(client: httpx.AsyncClient, ingest: RunningService) -> dict[str, Any]:
    """Sync until the end: the counts, and the report as ``outcome -> names``."""
    begun = await client.post(f"{SOURCE}/sync")
    assert begun.status_code == 202, begun.text
    await ingest.settled()
    where = f"{SET}/imports/{begun.json()['import_id']}"
    shown = (await client.get(where)).json()
    assert shown["state"] == "done", shown
    lines = await everything(client, f"{where}/lines")
    by_outcome: dict[str, list[str]] = {}
    for line in lines:
        by_outcome.setdefault(str(line["outcome"]), []).append(str(line["name"]))
    return {
        "counts": {name: number for name, number in shown["counts"].items() if number},
        "lines": {outcome: sorted(names) for outcome, names in by_outcome.items()},
    }


async def asset_named(client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    items = (await client.get(f"{SET}/assets")).json()["items"]
    (found,) = [item for item in items if item["file_name"] == name]
    return dict(found)


async def test_objects_become_assets_without_being_copied(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket, scope: Scope
) -> None:
    for n in range(3):
        await bucket.put(f"in/john-doe/{n}.png", picture(n))
    await bucket.put("in/readme.txt", b"no image by its name: left alone")
    await bucket.put("elsewhere/9.png", picture(9))
    await bucket.put("in/bad.png", b"<html>no image by its bytes</html>")
    found = await synced(client, ingest)
    assert found == {
        "counts": {"new": 3, "refused": 1},
        "lines": {"new": [f"john-doe/{n}.png" for n in range(3)], "refused": ["bad.png"]},
    }
    events = await published(scope, "ingest")
    assert len(events) == 3
    assert not any(b"john" in event.data or b".png" in event.data for event in events)

    asset = await asset_named(client, "john-doe/1.png")
    assert (asset["by_reference"], asset["presence"]) == (True, "here")
    url = f"/v1/assets/{quote(asset['asset_id'], safe='')}"
    image = await client.get(f"{url}/image")
    assert image.content == picture(1)
    assert int(image.headers["content-length"]) == len(picture(1))
    assert (await client.get(f"{url}/thumbnail")).status_code == 200
    own = [blob async for blob in ingest.process.runtime.resources.blobs.list("assets", "fields/")]
    assert sorted(blob.key.endswith(".ref.json") for blob in own) == [True] * 3
    assert sum(blob.size for blob in own) < 3 * 400


@pytest.mark.parametrize("reader", ["labeling", "review", "prediction", "training"])
async def test_who_may_read_images_may_read_what_they_refer_to(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket, scope: Scope, reader: str
) -> None:
    await bucket.put("in/0.png", picture(0))
    await synced(client, ingest)
    digest = hashlib.sha256(picture(0)).hexdigest()
    key = f"fields/{digest[:2]}/{digest}.ref.json"
    async with Blobs(scope.blobs(reader)) as blobs:
        assert await blobs.get("assets", key) == picture(0)
        assert b"".join([c async for c in blobs.stream("assets", key)]) == picture(0)
        await bucket.put("in/0.png", picture(1))
        with pytest.raises(BlobChangedError):
            await blobs.get("assets", key)


async def test_the_trainer_reads_what_a_manifest_names_by_reference(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket, scope: Scope
) -> None:
    await bucket.put("in/0.png", picture(0))
    await synced(client, ingest)
    digest = hashlib.sha256(picture(0)).hexdigest()
    uri = f"s3://{scope.name}-assets/fields/{digest[:2]}/{digest}.ref.json"
    own = scope.blobs("training")
    store = Storage(
        S3Settings(
            endpoint=own.endpoint,
            access_key=own.access_key,
            secret_key=own.secret_key,
            secure=own.secure,
        )
    )
    assert await asyncio.to_thread(store.read, uri) == picture(0)
    await bucket.put("in/0.png", picture(1))
    with pytest.raises(FileNotFoundError):
        await asyncio.to_thread(store.read, uri)


async def test_a_second_sync_reads_nothing_that_is_as_it_was(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket
) -> None:
    for n in range(3):
        await bucket.put(f"in/{n}.png", picture(n))
    await synced(client, ingest)
    assert await synced(client, ingest) == {"counts": {"unchanged": 3}, "lines": {}}


async def test_changed_gone_renamed_and_copied_objects_are_told_apart(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket, scope: Scope
) -> None:
    names = ("changed", "gone", "old-name", "twin-1", "same")
    for n, name in enumerate(names):
        await bucket.put(f"in/{name}.png", picture(n))
    await synced(client, ingest)
    await bucket.put("in/changed.png", picture(100))
    await bucket.delete("in/gone.png")
    await bucket.put("in/new-name.png", picture(2))
    await bucket.delete("in/old-name.png")
    await bucket.put("in/twin-2.png", picture(3))
    found = await synced(client, ingest)
    assert found["lines"] == {
        "changed": ["changed.png"],
        "gone": ["gone.png"],
        "duplicate": ["new-name.png", "twin-2.png"],
        "moved": ["old-name.png"],
    }
    assert found["counts"]["unchanged"] == 2

    gone = await everything(client, f"{SET}/assets", presence="gone")
    assert [one["file_name"] for one in gone] == ["gone.png"]
    (was,) = await everything(client, f"{SET}/assets", presence="superseded")
    new = hashlib.sha256(picture(100)).hexdigest()
    assert was["superseded_by"] == f"fields:{new}"
    assert len(await everything(client, f"{SET}/assets", presence="here")) == 4
    for n, status in ((0, 404), (1, 404), (2, 200), (3, 200), (100, 200)):
        digest = hashlib.sha256(picture(n)).hexdigest()
        answer = await client.get(f"/v1/assets/fields%3A{digest}/image")
        assert answer.status_code == status, n

    await bucket.delete("in/twin-1.png")
    await bucket.put("in/back.png", picture(1))
    found = await synced(client, ingest)
    assert found["lines"] == {"moved": ["twin-1.png"], "duplicate": ["back.png"]}
    digest = hashlib.sha256(picture(3)).hexdigest()
    assert (await client.get(f"/v1/assets/fields%3A{digest}/image")).content == picture(3)
    assert await everything(client, f"{SET}/assets", presence="gone") == []


async def test_what_leaves_a_bucket_and_comes_back_is_told_to_everyone(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket, scope: Scope
) -> None:
    for n in range(3):
        await bucket.put(f"in/{n}.png", picture(n))
    await bucket.put("in/twin.png", picture(2))
    await synced(client, ingest)
    lost, changed = [(await asset_named(client, f"{n}.png"))["asset_id"] for n in range(2)]
    await bucket.delete("in/0.png")
    await bucket.delete("in/2.png")  # its twin stays
    await bucket.put("in/1.png", picture(7))
    await synced(client, ingest)
    new = f"fields:{hashlib.sha256(picture(7)).hexdigest()}"
    said = await told(scope)
    assert sorted(said, key=lambda event: event.key) == [
        AssetWithdrawn(asset_id=a, superseded_by=by)
        for a, by in sorted([(lost, None), (changed, new)])
    ]
    await synced(client, ingest)  # nothing new, so nothing is said
    await bucket.put("in/elsewhere.png", picture(0))
    await synced(client, ingest)
    assert (await told(scope))[2:] == [AssetRestored(asset_id=lost)]


async def test_an_image_that_leaves_before_it_is_in_its_group_is_told_of_in_order(
    scope: Scope, bucket: Bucket
) -> None:
    chosen = settings(scope)
    async with running(service(chosen), scope) as ingest, ingest.client("engineer") as client:
        await client.put(SET, json={})
        await client.put(SOURCE, json={"bucket": bucket.name, "prefix": "in/"})
        await bucket.put("in/0.png", picture(0))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(usecases, "plan_groups", never)
            await client.post(f"{SOURCE}/sync")
            while not await ingest.database["assets"].find_one():
                await asyncio.sleep(0.02)
            await bucket.delete("in/0.png")
            while not await ingest.database["assets"].find_one({"presence": "gone"}):
                await client.post(f"{SOURCE}/sync")
                await asyncio.sleep(0.05)
            assert await published(scope, "ingest") == []
        await ingest.database["jobs"].update_many({}, [{"$set": {"not_before": "$$NOW"}}])
        await ingest.settled()
        events = [envelope.event() for envelope in await published(scope, "ingest")]
        assert [type(event) for event in events] == [AssetIngested, AssetWithdrawn]


async def never(*_: object) -> None:
    raise RuntimeError("not yet")


async def told(scope: Scope) -> list[Event]:
    """What was said of presence so far."""
    events = [envelope.event() for envelope in await published(scope, "ingest")]
    return [event for event in events if not isinstance(event, AssetIngested)]


async def test_names_that_swap_their_bytes_lose_no_asset(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket
) -> None:
    for n in range(2):
        await bucket.put(f"in/{n}.png", picture(n))
    await synced(client, ingest)
    for n in range(2):
        await bucket.put(f"in/{n}.png", picture(1 - n))
    assert (await synced(client, ingest))["counts"] == {"changed": 2}
    for n in range(2):
        digest = hashlib.sha256(picture(n)).hexdigest()
        image = await client.get(f"/v1/assets/fields%3A{digest}/image")
        assert image.content == picture(n)
    assert len(await everything(client, f"{SET}/assets", presence="here")) == 2


async def test_bytes_that_were_uploaded_stay_when_their_twin_in_a_bucket_goes(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket
) -> None:
    await client.post(f"{SET}/assets", files={"image": ("a.png", picture(0))})
    await bucket.put("in/a.png", picture(0))
    assert (await synced(client, ingest))["counts"] == {"duplicate": 1}
    await bucket.delete("in/a.png")
    await synced(client, ingest)
    asset = await asset_named(client, "a.png")
    assert (asset["presence"], asset["by_reference"]) == ("here", False)


async def test_a_source_that_is_copied_keeps_what_its_owner_deletes(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket
) -> None:
    where = f"{SET}/sources/kept"
    made = await client.put(where, json={"bucket": bucket.name, "prefix": "in/", "copy": True})
    assert made.json()["copied"]
    await bucket.put("in/a.png", picture(0))
    for outcome in ("new", "moved"):
        begun = (await client.post(f"{where}/sync")).json()
        await ingest.settled()
        shown = (await client.get(f"{SET}/imports/{begun['import_id']}")).json()
        assert shown["counts"] == {outcome: 1}
        await bucket.delete("in/a.png")
    asset = await asset_named(client, "a.png")
    assert (asset["presence"], asset["by_reference"]) == ("here", False)
    url = f"/v1/assets/{quote(asset['asset_id'], safe='')}/image"
    assert (await client.get(url)).content == picture(0)


async def test_folders_are_groups_where_the_source_says_so(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket
) -> None:
    more = {"bucket": bucket.name, "prefix": "scans", "group_from_folder": True}
    where = f"{SET}/sources/scans"
    assert (await client.put(where, json=more)).status_code == 200
    for n, key in enumerate(("scans/p1/a.png", "scans/p1/b.png", "scans/p2/a.png")):
        await bucket.put(key, picture(n))
    await client.post(f"{where}/sync")
    await ingest.settled()
    items = (await client.get(f"{SET}/assets")).json()["items"]
    assert {i["file_name"]: i["group"] for i in items} == {
        "p1/a.png": "scans/p1",
        "p1/b.png": "scans/p1",
        "p2/a.png": "scans/p2",
    }
    differs = await client.put(where, json=more | {"group_from_folder": False})
    assert (differs.status_code, differs.json()["code"]) == (409, "source-differs")


async def test_only_allowed_buckets_that_can_be_read_are_sources(
    ingest: RunningService, client: httpx.AsyncClient, scope: Scope
) -> None:
    for bucket in (f"{scope.name}-assets", "somebody-elses", f"{scope.name}-source-missing"):
        refused = await client.put(f"{SET}/sources/x", json={"bucket": bucket})
        assert (refused.status_code, refused.json()["code"]) == (422, "source-refused"), bucket
    unknown = await client.post(f"{SET}/sources/x/sync")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown-source")


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


def environment(chosen: Settings) -> dict[str, str]:
    own = {
        "MONGO__DSN": chosen.mongo.dsn.get_secret_value(),
        "MONGO__DATABASE": chosen.mongo.database,
        "KAFKA__BOOTSTRAP": chosen.kafka.bootstrap,
        "KAFKA__TOPIC_PREFIX": chosen.kafka.topic_prefix,
        "BLOBS__ENDPOINT": chosen.blobs.endpoint,
        "BLOBS__ACCESS_KEY": chosen.blobs.access_key,
        "BLOBS__SECRET_KEY": chosen.blobs.secret_key.get_secret_value(),
        "BLOBS__PREFIX": chosen.blobs.prefix,
        "AUTH__ISSUER": chosen.auth.issuer,
        "AUTH__JWKS": chosen.auth.jwks or "",
        "HTTP__PORT": str(ports.free_block(1)),
        "SOURCE_BUCKETS": json.dumps(chosen.source_buckets),
    }
    return {**os.environ, **{f"WAKELINE_INGEST_{name}": value for name, value in own.items()}}


async def test_a_runner_that_is_killed_loses_nothing_and_takes_nothing_twice(
    scope: Scope, bucket: Bucket
) -> None:
    chosen = settings(scope)
    for n in range(320):
        await bucket.put(f"in/{n:03}.png", picture(n, 24))
    async with (
        running(service(chosen), scope, Kind.SERVE) as front,
        front.client("engineer") as client,
    ):
        await client.put(SET, json={})
        await client.put(SOURCE, json={"bucket": bucket.name, "prefix": "in/"})
        where = f"{SET}/imports/{(await client.post(f'{SOURCE}/sync')).json()['import_id']}"
        runner = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "wakeline_ingest", "run", env=environment(chosen)
        )
        try:
            while not (await client.get(where)).json()["counts"]:
                assert runner.returncode is None
                await asyncio.sleep(0.02)
        finally:
            runner.kill()
            await runner.wait()
        shown = (await client.get(where)).json()
        taken = shown["counts"]["new"]
        assert shown["state"] == "running", "it was killed too late"
        assert taken == await front.database["assets"].count_documents({})
        assert 0 < taken < 320
        await front.database["jobs"].update_many(  # in place of waiting for the lease to end
            {"state": "running"}, [{"$set": {"not_before": "$$NOW"}}]
        )
        async with running(service(chosen), scope) as revived:
            await revived.settled(limit=120)
        shown = (await client.get(where)).json()
        assert (shown["state"], shown["counts"]) == ("done", {"new": 320})
        assert (await client.get(SET)).json()["ingested"] == 320
        assert len(await published(scope, "ingest")) == 320


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
