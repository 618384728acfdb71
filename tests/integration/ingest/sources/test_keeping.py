"""Images by reference that somebody sends, or that a source copies: their owner loses none."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.integration.ingest.images import Bucket, everything, picture
from tests.integration.ingest.sending import declared, imported, zip_of
from wakeline_blobs import Blobs
from wakeline_events.ingest import AssetIngested, AssetRestored, AssetWithdrawn
from wakeline_ingest import usecases
from wakeline_ingest.importing import references
from wakeline_ingest.resources import BlobDepot
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, published
from wakeline_trainer.contract import S3Settings
from wakeline_trainer.storage import Storage

from .kit import SET, asset_named, image_of, synced

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]

DIGEST = hashlib.sha256(picture(0)).hexdigest()
REFERENCE = f"fields/{DIGEST[:2]}/{DIGEST}.ref.json"
KEPT = f"{SET}/sources/kept"


async def post(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{SET}/assets", files={"image": ("a.png", picture(0))})
    assert answer.status_code == 201, answer.text
    assert answer.json()["duplicate"]


async def by_archive(client: httpx.AsyncClient) -> None:
    await imported(client, zip_of({"a.png": picture(0)}))


async def in_parts(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{SET}/uploads", json=declared(picture(0), "a.png"))
    assert answer.json()["state"] == "open", "its bytes are wanted"
    where = f"{SET}/uploads/{answer.json()['upload_id']}"
    (part,) = await everything(client, f"{where}/parts")
    async with httpx.AsyncClient() as anyone:
        (await anyone.put(str(part["url"]), content=picture(0))).raise_for_status()
    assert (await client.post(f"{where}/complete")).status_code == 202


async def read_by_all(scope: Scope) -> None:
    """Whoever was told of the reference reads the bytes by it."""
    async with Blobs(scope.blobs("labeling")) as blobs:
        assert await blobs.get("assets", REFERENCE) == picture(0)
        assert (await blobs.stat("assets", REFERENCE)).size == len(picture(0))
    own = scope.blobs("training")
    keys = {"access_key": own.access_key, "secret_key": own.secret_key}
    store = Storage(S3Settings(endpoint=own.endpoint, secure=own.secure, **keys))
    uri = f"s3://{scope.name}-assets/{REFERENCE}"
    assert await asyncio.to_thread(store.read, uri) == picture(0)


@pytest.mark.parametrize("sent", [post, by_archive, in_parts])
async def test_an_image_that_its_owner_has_deleted_is_back_once_it_is_sent(
    ingest: RunningService,
    client: httpx.AsyncClient,
    bucket: Bucket,
    scope: Scope,
    sent: Callable[[httpx.AsyncClient], Awaitable[None]],
) -> None:
    await bucket.put("in/a.png", picture(0))
    await synced(client, ingest)
    await bucket.delete("in/a.png")
    await synced(client, ingest)
    for _ in range(2):  # the second time it is here
        await sent(client) if not await known(client) else None
        await ingest.settled()
        asset = await asset_named(client, "a.png")
        assert (asset["presence"], asset["by_reference"]) == ("here", False)
        assert (await image_of(client, 0)).content == picture(0)
        await read_by_all(scope)
    kinds = [type(envelope.event()) for envelope in await published(scope, "ingest")]
    assert kinds == [AssetIngested, AssetWithdrawn, AssetRestored]
    await synced(client, ingest)
    assert (await image_of(client, 0)).content == picture(0)


async def known(client: httpx.AsyncClient) -> bool:
    answer = await client.post(f"{SET}/assets/known", json={"digests": [DIGEST]})
    return bool(answer.json()["known"])


async def test_a_source_that_is_copied_keeps_what_was_there_by_reference(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket, scope: Scope
) -> None:
    await bucket.put("in/a.png", picture(0))
    await synced(client, ingest)
    assert not await known(client)
    await client.put(KEPT, json={"bucket": bucket.name, "prefix": "in/", "copy": True})
    begun = (await client.post(f"{KEPT}/sync")).json()
    await ingest.settled()
    shown = (await client.get(f"{SET}/imports/{begun['import_id']}")).json()
    assert shown["counts"] == {"updated": 1}
    assert await known(client)
    await bucket.delete("in/a.png")
    assert (await synced(client, ingest))["counts"] == {"moved": 1}
    assert (await image_of(client, 0)).content == picture(0)
    await read_by_all(scope)
    assert [type(e.event()) for e in await published(scope, "ingest")] == [AssetIngested]


async def test_our_own_copy_is_read_whatever_its_etag(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket, scope: Scope
) -> None:
    await bucket.put("in/a.png", picture(0))
    await synced(client, ingest)
    await post(client)
    await ingest.settled()
    of = {"bucket": f"{scope.name}-assets", "key": REFERENCE.removesuffix(".ref.json")}
    said = {"etag": "of-another-store", "digest": DIGEST, "bytes": len(picture(0))}
    data = json.dumps(of | said).encode()
    await ingest.process.runtime.resources.depot.put(REFERENCE, data, references.JSON)
    await read_by_all(scope)


async def test_a_source_that_is_copied_reads_again_what_it_has_not_kept(
    ingest: RunningService, client: httpx.AsyncClient, bucket: Bucket
) -> None:
    await bucket.put("in/a.png", picture(0))
    await synced(client, ingest)
    await ingest.database["sources"].update_one({}, {"$set": {"copy": True}})
    assert (await synced(client, ingest))["counts"] == {"updated": 1}
    assert (await synced(client, ingest))["counts"] == {"unchanged": 1}
    assert not (await asset_named(client, "a.png"))["by_reference"]


async def test_what_a_job_had_read_before_does_not_lead_away_from_our_copy(
    ingest: RunningService,
    client: httpx.AsyncClient,
    bucket: Bucket,
    scope: Scope,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await bucket.put("in/a.png", picture(0))
    put, late = BlobDepot.put, asyncio.Event()

    async def stale(self: BlobDepot, key: str, data: bytes, kind: str) -> None:
        if key == REFERENCE and b"source-a" in data and not late.is_set():
            late.set()
            await post(client)  # as a whole, before this is written
        await put(self, key, data, kind)

    monkeypatch.setattr(BlobDepot, "put", stale)
    await synced(client, ingest)
    assert late.is_set()
    await bucket.delete("in/a.png")
    await read_by_all(scope)
    assert not (await asset_named(client, "a.png"))["by_reference"]


async def test_an_image_that_a_sync_has_brought_while_it_was_sent_is_kept(
    ingest: RunningService,
    client: httpx.AsyncClient,
    bucket: Bucket,
    scope: Scope,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await bucket.put("in/a.png", picture(0))
    real = usecases.store_bytes

    async def slow(*args: Any) -> Any:
        arrival = await real(*args)
        if args[7:] != (True,):  # not the sync's own
            await synced(client, ingest)
        return arrival

    monkeypatch.setattr(usecases, "store_bytes", slow)
    await post(client)
    await ingest.settled()
    await bucket.delete("in/a.png")
    await synced(client, ingest)
    asset = await asset_named(client, "a.png")
    assert (asset["presence"], asset["by_reference"]) == ("here", False)
    await read_by_all(scope)


@pytest.mark.parametrize(("module", "name"), [(references, "_point"), (usecases, "receive")])
async def test_an_upload_that_ends_half_way_leaves_an_image_by_reference_as_it_was(
    ingest: RunningService,
    client: httpx.AsyncClient,
    bucket: Bucket,
    scope: Scope,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
) -> None:
    await bucket.put("in/a.png", picture(0))
    await synced(client, ingest)

    async def ends(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(module, name, ends)
        sent = await client.post(f"{SET}/assets", files={"image": ("a.png", picture(0))})
        assert sent.status_code == 500
    await read_by_all(scope)
    asset = await asset_named(client, "a.png")
    assert (asset["presence"], asset["by_reference"]) == ("here", True)
    await bucket.put("in/b.png", picture(0))
    await bucket.delete("in/a.png")
    assert (await synced(client, ingest))["counts"] == {"duplicate": 1, "moved": 1}
    await read_by_all(scope)
    await bucket.delete("in/b.png")
    assert (await synced(client, ingest))["counts"] == {"gone": 1}
    await post(client)
    await read_by_all(scope)
