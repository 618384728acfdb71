"""A sync that ends between any two of its steps, and what two of them do to each other."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.integration.ingest.images import Bucket, picture
from wakeline_events.ingest import AssetRestored
from wakeline_ingest.domain.sources import SourceRecord
from wakeline_ingest.importing import references, sync
from wakeline_ingest.ports import SentFile
from wakeline_ingest.usecases import syncing
from wakeline_ingest.wiring import service
from wakeline_process.processes import Kind
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, published, running

from .kit import SET, SOURCE, image_of, settings, synced

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


@asynccontextmanager
async def serving(scope: Scope, bucket: Bucket) -> AsyncIterator[httpx.AsyncClient]:
    """Answers; jobs are run by others, which end."""
    async with (
        running(service(settings(scope)), scope, Kind.SERVE) as front,
        running(service(settings(scope)), scope, Kind.RELAY),
        front.client("engineer") as client,
    ):
        await client.put(SET, json={})
        for name, prefix in (("lake", "in/"), ("other", "other/")):
            where = f"{SET}/sources/{name}"
            await client.put(where, json={"bucket": bucket.name, "prefix": prefix})
        yield client


@asynccontextmanager
async def working(scope: Scope) -> AsyncIterator[RunningService]:
    """Runs jobs, those too that somebody was killed in."""
    async with running(service(settings(scope)), scope) as process:
        free = [{"$set": {"state": "queued", "owner": None, "not_before": "$$NOW"}}]
        await process.database["jobs"].update_many({}, free)
        yield process


async def dies_in(scope: Scope, module: Any, name: str) -> None:
    """Run jobs up to the first call of a function, and no step further."""
    met = asyncio.Event()

    async def never(*_: object, **__: object) -> None:
        met.set()
        await asyncio.Event().wait()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, name, never)
        async with running(service(settings(scope)), scope, Kind.RUN):
            await asyncio.wait_for(met.wait(), 30)


async def test_a_copy_that_was_met_and_never_written_down_takes_nothing_with_it(
    scope: Scope, bucket: Bucket
) -> None:
    await bucket.put("in/a.png", picture(0))
    async with serving(scope, bucket) as client:
        async with working(scope) as process:
            await synced(client, process)
        await bucket.put("in/b.png", picture(0))
        await client.post(f"{SOURCE}/sync")
        await dies_in(scope, syncing, "register")
        await bucket.delete("in/b.png")
        async with working(scope) as process:
            await synced(client, process)
            assert (await image_of(client, 0)).content == picture(0)
            assert (await synced(client, process))["counts"] == {"unchanged": 1}


async def test_a_copy_that_was_new_when_another_source_brought_it_takes_nothing_with_it(
    scope: Scope, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bucket.put("in/a.png", picture(0))
    await bucket.put("other/late.png", picture(0))
    brought, read = asyncio.Event(), asyncio.Event()
    store, register = sync.checked_and_stored, syncing.register

    async def late(
        resources: Any, dataset_id: str, image: SentFile, *rest: Any, **more: Any
    ) -> Any:
        if image.name == "late.png":  # nobody had brought it when this one looked
            await brought.wait()
        return await store(resources, dataset_id, image, *rest, **more)

    async def ends(uow: Any, source: SourceRecord, *rest: Any) -> Any:
        if source.source_id == "other":
            read.set()
            await asyncio.Event().wait()
        return await register(uow, source, *rest)

    async with serving(scope, bucket) as client:
        with monkeypatch.context() as patched:
            patched.setattr(sync, "checked_and_stored", late)
            patched.setattr(syncing, "register", ends)
            async with running(service(settings(scope)), scope, Kind.RUN):
                for source in ("other", "lake"):
                    await client.post(f"{SET}/sources/{source}/sync")
                while (await client.get(SOURCE)).json()["active"]:
                    await asyncio.sleep(0.02)
                brought.set()
                await asyncio.wait_for(read.wait(), 30)
        await bucket.delete("other/late.png")
        async with working(scope) as process:
            await process.settled()
            assert (await image_of(client, 0)).content == picture(0)


@pytest.mark.parametrize(("module", "name"), [(references, "write"), (syncing, "refer")])
async def test_what_was_written_down_is_pointed_to_by_the_next_process(
    scope: Scope, bucket: Bucket, module: Any, name: str
) -> None:
    await bucket.put("in/a.png", picture(0))
    async with serving(scope, bucket) as client:
        for before, now in (("a", "b"), ("b", "c")):
            await client.post(f"{SOURCE}/sync")
            await dies_in(scope, module, name)
            async with working(scope) as process:
                await process.settled()
                assert (await image_of(client, 0)).content == picture(0)
            await bucket.put(f"in/{now}.png", picture(0))
            await bucket.delete(f"in/{before}.png")
        async with working(scope) as process:
            assert (await synced(client, process))["counts"] == {"duplicate": 1, "moved": 1}
            assert (await image_of(client, 0)).content == picture(0)


async def test_the_same_bytes_under_a_new_etag_are_pointed_to(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket, scope: Scope
) -> None:
    await bucket.put("in/a.png", picture(0))
    await synced(client, ingest)
    digest = hashlib.sha256(picture(0)).hexdigest()
    key = f"fields/{digest[:2]}/{digest}.ref.json"
    resources = ingest.process.runtime.resources
    right = [chunk async for chunk in resources.blobs.stream("assets", key)]
    await ingest.database["objects"].update_many({}, {"$set": {"etag": "another"}})
    await resources.depot.put(key, await stale(ingest), references.JSON)
    assert (await image_of(client, 0)).status_code == 404
    assert (await synced(client, ingest))["counts"] == {"unchanged": 1}
    assert (await image_of(client, 0)).content == b"".join(right) == picture(0)


async def stale(ingest: RunningService) -> bytes:
    """The reference as it would be if the object had the ETag that is written down."""
    (row,) = await ingest.database["objects"].find().to_list()
    (source,) = await ingest.database["sources"].find().to_list()
    _, _, digest = row["asset_id"].rpartition(":")
    return (
        references.Reference(
            bucket=source["bucket"],
            key=row["key"],
            etag=row["etag"],
            digest=digest,
            bytes=row["size"],
        )
        .model_dump_json()
        .encode()
    )


async def test_an_image_is_told_to_be_back_once_it_can_be_read(
    scope: Scope, bucket: Bucket
) -> None:
    await bucket.put("in/a.png", picture(0))
    async with serving(scope, bucket) as client:
        async with working(scope) as process:
            await synced(client, process)
            await bucket.delete("in/a.png")
            await synced(client, process)
        await bucket.put("in/b.png", picture(0))
        await client.post(f"{SOURCE}/sync")
        await dies_in(scope, references, "write")
        assert await restored(scope) == 0
        async with working(scope) as process:
            await process.settled()
        assert await restored(scope) == 1
        assert (await image_of(client, 0)).content == picture(0)


async def test_an_image_that_goes_while_it_comes_back_is_not_told_to_be_back(
    scope: Scope, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bucket.put("in/a.png", picture(0))
    async with serving(scope, bucket) as client, working(scope) as process:
        await synced(client, process)
        await bucket.delete("in/a.png")
        await synced(client, process)
        await bucket.put("in/b.png", picture(0))

        async def quiet() -> None:
            while (await client.get(SOURCE)).json()["active"]:
                await asyncio.sleep(0.02)

        async def goes() -> None:
            await quiet()
            await bucket.delete("in/b.png")
            await client.post(f"{SOURCE}/sync")
            await quiet()

        monkeypatch.setattr(references, "write", once_after(references.write, goes))
        await client.post(f"{SOURCE}/sync")
        await process.settled()
        assert await restored(scope) == 0
        (row,) = await process.database["assets"].find().to_list()
        assert row["presence"] == "gone"


def once_after(real: Callable[..., Awaitable[Any]], then: Callable[[], Awaitable[None]]) -> Any:
    done = False

    async def both(*args: Any) -> Any:
        nonlocal done
        result = await real(*args)
        if not done:
            done = True
            await then()
        return result

    return both


async def test_of_several_copies_one_that_answers_is_pointed_to(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket
) -> None:
    where = f"{SET}/sources/another"  # before "lake", whose copy is the good one
    await client.put(where, json={"bucket": bucket.name, "prefix": "other/"})
    for key in ("other/a.png", "in/b.png", "in/c.png"):
        await bucket.put(key, picture(0))
    await client.post(f"{where}/sync")
    await ingest.settled()
    await synced(client, ingest)
    await bucket.delete("other/a.png")  # and its source is never synced again
    await bucket.delete("in/b.png")
    assert (await synced(client, ingest))["counts"] == {"moved": 1, "unchanged": 1}
    assert (await image_of(client, 0)).content == picture(0)


async def restored(scope: Scope) -> int:
    """How many such events there are; one that a relay has sent twice is one."""
    told = {envelope.id: envelope for envelope in await published(scope, "ingest")}
    return sum(envelope.type == AssetRestored.TYPE for envelope in told.values())
