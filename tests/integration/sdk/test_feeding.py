"""Many images at once, as an engineer brings them: sources, archives, big files."""

import gc
import re
import weakref
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.ingest.images import bucket_of, picture
from wakeline_sdk import (
    Client,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    UnreachableError,
)
from wakeline_sdk._async import datasets as asynchronous
from wakeline_sdk._async import imports as async_importing
from wakeline_sdk._async import sending
from wakeline_sdk._sync import datasets as synchronous
from wakeline_sdk._sync import imports as importing
from wakeline_sdk.uploads import Upload

from . import fields
from .services import Platform

pytestmark = [pytest.mark.long, pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


async def test_a_bucket_is_synced_by_command_again_and_again(platform: Platform) -> None:
    async with bucket_of(platform.services["ingest"].scope, "source-lake") as bucket:
        for n in range(3):
            await bucket.put(f"in/{n}.png", picture(n))
        await bucket.put("in/bad.png", b"no image")
        await platform.done("datasets", "create", "lake")
        added = await platform.done(
            *("sources", "add", "lake", "main", "--bucket", bucket.name, "--prefix", "in/")
        )
        assert bucket.name in added.out
        first = await platform.command("sync", "lake", "--json")
        assert first.code == 1, "an object was refused"
        (one,) = first.json
        assert one["counts"] == {"new": 3, "refused": 1}
        lines = await platform.done(
            *("imports", "show", "lake", one["import_id"], "--outcome", "refused", "--json")
        )
        assert [(line["name"], line["code"]) for line in lines.json] == [
            ("bad.png", "not-an-image")
        ]
        await bucket.delete("in/bad.png")
        await bucket.delete("in/2.png")
        second = await platform.done("sync", "lake", "--source", "main", "--json")
        assert second.json[0]["counts"]["gone"] == 1
        listed = await platform.done("imports", "list", "lake", "--json")
        assert [each["state"] for each in listed.json] == ["done", "done"]
        sources = await platform.done("sources", "list", "lake", "--json")
        assert [each["syncs"] for each in sources.json] == [2]
        nothing = await platform.command("sync", "nowhere")
        assert nothing.code == 1


async def test_images_by_reference_go_round_the_loop_until_their_owner_takes_them_away(
    platform: Platform, tmp_path: Path
) -> None:
    name = "referred"
    files = [path.read_bytes() for path in fields.images(tmp_path / "images", 3, seed=9)]
    async with bucket_of(platform.services["ingest"].scope, "source-referred") as bucket:
        for number, data in enumerate(files):
            await bucket.put(f"{number}.png", data)
        async with platform.client("manager", "p-boss") as client:
            await client.datasets.create(name)
            await client.sources.put(name, "all", bucket.name)
            await client.imports.wait(await client.sources.sync(name, "all"))
            await client.teams.put(name, name=name, cost_per_hour=30)
            contrast = [{"name": "heuristic.threshold"}]
            await client.projects.apply(fields.document(name, predictors=contrast))
        await platform.settled()
        async with platform.client("labeler", "p-ann", name) as client:
            leases = await client.leases.take(name, "mark", count=3)
            seen = [await client.leases.image(lease) for lease in leases]
            assert sorted(seen) == sorted(files)
            submitted = seen.index(files[0])
            await client.leases.submit(leases[submitted], [])
        await platform.settled()
        async with platform.client("engineer", "p-engineer") as client:
            asset_id = leases[submitted].asset.asset_id
            found = [one async for one in client.predictions.list(asset_id=asset_id)]
            assert [one["predictor"] for one in found] == ["heuristic.threshold"]
        async with platform.client("reviewer", "p-eve", name) as client:
            (review,) = await client.reviews.take(name, "mark", count=3)
            assert await client.reviews.image(review) == files[0]
            await bucket.delete("0.png")
            with pytest.raises(NotFoundError, match="blob-missing"):
                await client.reviews.image(review)
        await bucket.put("1.png", files[0])
        changed = leases[seen.index(files[1])]
        async with platform.client("labeler", "p-ann", name) as client:
            with pytest.raises(NotFoundError, match="blob-changed"):
                await client.leases.image(changed)


async def test_an_archive_is_sent_by_command(platform: Platform, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for n in range(3):
            archive.writestr(f"p{n}/a.png", picture(10 + n))
    await platform.done("datasets", "create", "packed")
    sent = await platform.done(
        *("imports", "archive", "packed", tmp_path / "photos.zip", "--group-from-folder", "--json")
    )
    assert sent.json[0]["counts"] == {"new": 3}
    await platform.settled()
    async with platform.client("engineer", "p-e") as client:
        found = [asset async for asset in client.datasets.assets("packed")]
    assert {asset.file_name: asset.group for asset in found} == {
        f"p{n}/a.png": f"p{n}" for n in range(3)
    }


async def test_big_files_go_to_the_store_by_themselves(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (asynchronous, synchronous, importing):
        monkeypatch.setattr(module, "BIG", 30_000)
    big, bad, other = tmp_path / "big.png", tmp_path / "bad.png", tmp_path / "other.png"
    big.write_bytes(picture(20, 150))  # about 67 kB: four parts
    other.write_bytes(picture(21, 150))
    bad.write_bytes(b"no image" * 10_000)
    assert big.stat().st_size > 60_000
    async with platform.client("engineer", "p-e") as client:
        await client.datasets.create("big")
        asset = await client.datasets.upload("big", Upload(big, group="scene"))
        assert await client.assets.image(asset.asset_id) == big.read_bytes()
        assert (asset.width, asset.height) == (150, 150)
        with pytest.raises(InvalidRequestError, match="not-an-image"):
            await client.datasets.upload("big", Upload(bad))

    def upload(client: Client) -> str:
        return client.datasets.upload("big", Upload(other)).asset_id

    assert await platform.sync(upload, "engineer", "p-e") != asset.asset_id
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a.png", other.read_bytes())

    def send(client: Client) -> dict[str, int]:
        begun = client.imports.begin("big", "archive", tmp_path / "photos.zip")
        return client.imports.wait(begun).counts

    assert await platform.sync(send, "engineer", "p-e") == {"duplicate": 1}


async def test_a_big_file_that_was_begun_otherwise_is_given_up_and_sent_anew(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(async_importing, "BIG", 100)
    file = tmp_path / "photos.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("p1/a.png", picture(30))
    await platform.done("datasets", "create", "anew")

    async def cut_off(*_: Any) -> None:
        raise UnreachableError("the line is dead")

    async with platform.client("engineer", "p-e") as client:
        with monkeypatch.context() as patched:
            patched.setattr(sending.AsyncSending, "_send_parts", cut_off)
            with pytest.raises(UnreachableError):
                await client.imports.begin("anew", "archive", file)
        with pytest.raises(ConflictError, match="upload-differs") as refused:
            await client.imports.begin("anew", "archive", file, group_from_folder=True)
        (upload_id,) = re.findall("upload ([0-9a-f]{32})", refused.value.detail)
        await platform.done("imports", "discard", "anew", upload_id)
        begun = await client.imports.begin("anew", "archive", file, group_from_folder=True)
        assert (await client.imports.wait(begun)).counts == {"new": 1}
        await platform.settled()
        assert [asset.group async for asset in client.datasets.assets("anew")] == ["p1"]


async def test_an_upload_holds_a_few_files_in_memory_however_many_there_are(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asynchronous, "BATCH", 5)
    made: list[weakref.ref[Upload]] = []
    most = 0

    def uploads() -> Iterator[Upload]:
        for n in range(30):
            path = tmp_path / f"{n}.png"
            path.write_bytes(picture(100 + n, 16))
            upload = Upload(path, metadata={"n": n})
            made.append(weakref.ref(upload))
            yield upload

    async with platform.client("engineer", "p-e") as client:
        await client.datasets.create("flat")
        done = 0
        async for report in client.datasets.upload_each("flat", uploads()):
            assert report.outcome == "stored"
            done += 1
            gc.collect()
            most = max(most, sum(one() is not None for one in made))
    assert done == 30
    assert most <= 2 * 5 + 1
