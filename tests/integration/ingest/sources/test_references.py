"""Images that stay where they are: what is stored of them, and who may read them."""

import asyncio
import hashlib
from urllib.parse import quote

import httpx
import pytest

from tests.integration.ingest.images import Bucket, picture
from wakeline_blobs import BlobChangedError, Blobs
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, published
from wakeline_trainer.contract import S3Settings
from wakeline_trainer.storage import Storage

from .kit import SET, asset_named, synced

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


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
