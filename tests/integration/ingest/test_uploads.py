"""Files that are declared first and sent in parts, and archives that are unpacked here."""

import asyncio
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.integration.ingest.images import everything, picture
from wakeline_blobs import Blobs
from wakeline_ingest import jobs
from wakeline_ingest.importing import unpacking
from wakeline_ingest.settings import ArchiveSettings, Settings, UploadSettings
from wakeline_ingest.wiring import service
from wakeline_process.processes import Kind
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, running, settings_of

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]

SET = "/v1/datasets/fields"
UPLOADS = f"{SET}/uploads"
PART = 2_000
IMAGE = picture(1, 60)  # about 10 kB: six parts


def settings(scope: Scope, **uploads: Any) -> Settings:
    return settings_of(
        scope,
        "ingest",
        Settings,
        uploads=UploadSettings(part_bytes=PART, max_bytes=200_000, **uploads),
        archives=ArchiveSettings(max_entries=30),
    )


@pytest.fixture
async def ingest(scope: Scope) -> AsyncIterator[RunningService]:
    async with running(service(settings(scope)), scope) as process:
        yield process


@pytest.fixture
async def client(ingest: RunningService) -> AsyncIterator[httpx.AsyncClient]:
    async with ingest.client("engineer") as opened:
        await opened.put(SET, json={})
        yield opened


def declared(data: bytes, name: str = "big.png", **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    return {"file_name": name, "bytes": len(data), "digest": digest} | more


async def begin(client: httpx.AsyncClient, data: bytes, **more: Any) -> str:
    answer = await client.post(UPLOADS, json=declared(data, **more))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["upload_id"])


async def send(
    client: httpx.AsyncClient, upload_id: str, data: bytes, leave: tuple[int, ...] = ()
) -> None:
    parts = await everything(client, f"{UPLOADS}/{upload_id}/parts")
    assert [part["bytes"] for part in parts][:-1] == [PART] * (len(parts) - 1)
    async with httpx.AsyncClient() as anyone:
        for part in parts:
            number = int(str(part["number"]))
            if number not in leave and not part["stored"]:
                piece = data[(number - 1) * PART : number * PART]
                answer = await anyone.put(str(part["url"]), content=piece)
                assert answer.status_code == 200, answer.text


async def staged(process: RunningService) -> list[str]:
    blobs = process.process.runtime.resources.blobs
    return [info.key async for info in blobs.list("assets", "staging/")]


async def completed(
    client: httpx.AsyncClient, ingest: RunningService, upload_id: str
) -> dict[str, Any]:
    answer = await client.post(f"{UPLOADS}/{upload_id}/complete")
    assert answer.status_code == 202, answer.text
    await ingest.settled()
    return dict((await client.get(f"{UPLOADS}/{upload_id}")).json())


async def test_a_big_file_comes_in_parts_and_is_an_asset_like_any_other(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    upload_id = await begin(client, IMAGE, group="scene-1", metadata={"camera": 3})
    await send(client, upload_id, IMAGE)
    done = await completed(client, ingest, upload_id)
    digest = hashlib.sha256(IMAGE).hexdigest()
    assert (done["state"], done["asset_id"]) == ("done", f"fields:{digest}")
    asset = (await client.get(f"/v1/assets/fields%3A{digest}")).json()
    assert (asset["file_name"], asset["group"], asset["metadata"]) == (
        "big.png",
        "scene-1",
        {"camera": 3},
    )
    assert (await client.get(f"/v1/assets/fields%3A{digest}/image")).content == IMAGE
    assert await staged(ingest) == []
    again = (await client.post(UPLOADS, json=declared(IMAGE))).json()
    assert (again["state"], again["asset_id"]) == ("done", f"fields:{digest}")
    differs = await client.post(UPLOADS, json=declared(IMAGE, group="scene-2"))
    assert (differs.status_code, differs.json()["code"]) == (409, "asset-differs")


async def test_an_upload_that_was_cut_off_goes_on_with_the_parts_that_are_missing(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    upload_id = await begin(client, IMAGE)
    begun = (await client.get(f"{UPLOADS}/{upload_id}")).json()
    await send(client, upload_id, IMAGE, leave=(2, 5))
    early = await client.post(f"{UPLOADS}/{upload_id}/complete")
    assert (early.status_code, early.json()["code"]) == (422, "upload-incomplete")
    assert "2, 5" in early.json()["detail"]
    again = (await client.post(UPLOADS, json=declared(IMAGE, name="renamed.png"))).json()
    shown = (await client.get(f"{UPLOADS}/{upload_id}")).json()
    assert again["upload_id"] == upload_id
    assert again["expires_at"] == shown["expires_at"] > begun["expires_at"]
    parts = await everything(client, f"{UPLOADS}/{upload_id}/parts")
    assert [part["number"] for part in parts if not part["stored"]] == [2, 5]
    await send(client, upload_id, IMAGE)
    assert (await completed(client, ingest, upload_id))["state"] == "done"
    late = await client.get(f"{UPLOADS}/{upload_id}/parts")
    assert (late.status_code, late.json()["code"]) == (409, "upload-ended")


async def test_a_file_that_is_declared_otherwise_while_it_is_on_its_way_is_refused(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    said = {"group": "scene-1", "metadata": {"camera": 3}}
    upload_id = await begin(client, IMAGE, **said)
    parent = f"fields:{'0' * 64}"
    for more, what in (
        ({}, "group, metadata"),
        (said | {"group": "scene-2"}, "group"),
        (said | {"bytes": 5_000}, "bytes"),
        (said | {"metadata": {"camera": 4}, "group": None}, "group, metadata"),
        (said | {"group_from_folder": True}, "group_from_folder"),
    ):
        differs = await client.post(UPLOADS, json=declared(IMAGE) | more)
        assert (differs.status_code, differs.json()["code"]) == (409, "upload-differs")
        assert f"{upload_id}, with another {what}: declare it as before" in differs.json()["detail"]
    assert (await client.post(UPLOADS, json=declared(IMAGE, parent=parent))).status_code == 422
    assert await begin(client, IMAGE, **said) == upload_id


async def test_an_upload_is_given_up_and_the_file_sent_anew(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    data = zip_of({"p1/a.png": picture(1)})
    wrong = await begin(client, data, name="photos.zip", purpose="archive")
    await send(client, wrong, data)
    for _ in range(2):
        gone = await client.delete(f"{UPLOADS}/{wrong}")
        assert (gone.status_code, gone.json()["state"]) == (200, "cancelled")
    late = await client.post(f"{UPLOADS}/{wrong}/complete")
    assert (late.status_code, late.json()["code"]) == (409, "upload-ended")
    right = await begin(client, data, name="photos.zip", purpose="archive", group_from_folder=True)
    await send(client, right, data)
    await ingest.database["jobs"].update_one(
        {"_id": f"collect:{wrong}"}, [{"$set": {"not_before": "$$NOW"}}]
    )
    await ingest.settled()
    assert {key.split("/")[1] for key in await staged(ingest)} == {right}
    done = await completed(client, ingest, right)
    assert done["state"] == "done"
    late = await client.delete(f"{UPLOADS}/{right}")
    assert (late.status_code, late.json()["code"]) == (409, "upload-ended")
    (asset,) = (await client.get(f"{SET}/assets")).json()["items"]
    assert asset["group"] == "p1"


async def test_what_clears_up_late_leaves_a_file_alone_that_is_sent_anew(
    ingest: RunningService, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, anew, cleared = jobs.staging.clear, "", asyncio.Event()

    async def late(resources: Any, upload_id: str) -> None:
        nonlocal anew
        if not anew:
            anew = await begin(client, IMAGE)
            await send(client, anew, IMAGE)
        await real(resources, upload_id)
        cleared.set()

    monkeypatch.setattr(jobs.staging, "clear", late)
    bad = await begin(client, IMAGE)
    await send(client, bad, IMAGE[:-1] + b"x")
    assert (await completed(client, ingest, bad))["code"] == "digest-differs"
    await asyncio.wait_for(cleared.wait(), 30)
    assert (await completed(client, ingest, anew))["state"] == "done"
    assert await staged(ingest) == []


async def test_what_is_not_the_declared_file_or_no_image_is_refused_and_deleted(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    other = await begin(client, IMAGE)
    await send(client, other, IMAGE[:-1] + b"x")
    refused = await completed(client, ingest, other)
    assert (refused["state"], refused["code"]) == ("refused", "digest-differs")
    page = b"<html>" + bytes(9_000)
    upload_id = await begin(client, page, name="page.png")
    await send(client, upload_id, page)
    refused = await completed(client, ingest, upload_id)
    assert (refused["state"], refused["code"]) == ("refused", "not-an-image")
    report = (await client.get(f"{SET}/refusals")).json()["items"]
    assert [(r["file_name"], r["code"]) for r in report] == [("page.png", "not-an-image")]
    assert await staged(ingest) == []
    assert await begin(client, IMAGE) == f"{other}-000001"  # declared again, it may be sent again
    limits = (  # an image has that of any image
        ("image", (1 << 30) + 1, "cut it into tiles"),
        ("archive", 200_001, "pack its images into several archives"),
    )
    for purpose, size, advice in limits:
        long = await client.post(UPLOADS, json=declared(b"x", purpose=purpose, bytes=size))
        assert (long.status_code, long.json()["code"]) == (413, "file-too-large")
        assert long.json()["detail"].endswith(advice)
    for path in ("", "/parts"):
        unknown = await client.get(f"{UPLOADS}/nothing{path}")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown-upload")


async def test_metadata_that_no_database_could_keep_are_refused(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    for bad in ({"a\0b": 1}, {"a": 2**63}, {"a": deep}, {"a": {"b\0": 1}}):
        answer = await client.post(UPLOADS, json=declared(IMAGE, metadata=bad))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
        sent = await client.post(
            f"{SET}/assets",
            files={"image": ("a.png", IMAGE)},
            data={"metadata": json.dumps(bad)},
        )
        assert sent.status_code == 422, sent.text
    for more in ({"group": "a\nb"}, {"file_name": "a\0"}, {"metadata": {"a": "x" * 70_000}}):
        answer = await client.post(UPLOADS, json=declared(IMAGE) | more)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


async def test_what_nobody_completes_is_collected(scope: Scope) -> None:
    short = settings(scope, lifetime=timedelta(seconds=0))
    async with (
        running(service(short), scope, Kind.SERVE) as front,
        front.client("engineer") as client,
    ):
        await client.put(SET, json={})
        blobs = front.process.runtime.resources.blobs
        upload_id = await begin(client, IMAGE)
        await blobs.put("assets", f"staging/{upload_id}/00001", b"abandoned")
        await front.database["jobs"].update_many({}, [{"$set": {"not_before": "$$NOW"}}])
        async with running(service(short), scope, Kind.RUN) as runner:
            await runner.settled()
        assert await staged(front) == []
        shown = (await client.get(f"{UPLOADS}/{upload_id}")).json()
        assert shown["state"] == "expired"
        assert await front.database["jobs"].count_documents({}) == 0


async def test_an_upload_whose_parts_still_come_is_not_collected(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    upload_id = await begin(client, IMAGE)
    await send(client, upload_id, IMAGE, leave=(4,))
    late = await begin(client, zip_of({"a.png": IMAGE}), purpose="archive")  # and nothing of it
    past = datetime.now(UTC) - timedelta(hours=1)
    await ingest.database["uploads"].update_many({}, {"$set": {"expires_at": past}})
    await ingest.database["jobs"].update_many({}, [{"$set": {"not_before": "$$NOW"}}])
    await ingest.settled()
    shown = (await client.get(f"{UPLOADS}/{upload_id}")).json()
    assert (shown["state"], shown["expires_at"] > past.isoformat()) == ("open", True)
    assert (await client.get(f"{UPLOADS}/{late}")).json()["state"] == "expired"
    await send(client, upload_id, IMAGE)
    assert (await completed(client, ingest, upload_id))["state"] == "done"


async def test_an_upload_whose_check_dies_is_checked_again(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(scope)
    async with (
        running(service(chosen), scope, Kind.SERVE) as front,
        front.client("engineer") as client,
    ):
        await client.put(SET, json={})
        upload_id = await begin(client, IMAGE)
        await send(client, upload_id, IMAGE)
        assert (await client.post(f"{UPLOADS}/{upload_id}/complete")).json()["state"] == "checking"
        died = asyncio.Event()

        async def die(*_: Any, **__: Any) -> None:
            died.set()
            raise asyncio.CancelledError

        with monkeypatch.context() as patched:  # its bytes are in place, and nothing says so
            patched.setattr(jobs.uploading, "finish", die)
            async with running(service(chosen), scope, Kind.RUN):
                await asyncio.wait_for(died.wait(), 30)
                await asyncio.sleep(0.2)
        await front.database["jobs"].update_many(
            {"kind": "upload"}, [{"$set": {"state": "running", "not_before": "$$NOW"}}]
        )
        async with running(service(chosen), scope) as revived:
            await revived.settled()
            assert await staged(revived) == []
        shown = (await client.get(f"{UPLOADS}/{upload_id}")).json()
        assert shown["state"] == "done"
        assert (await client.get(SET)).json()["ingested"] == 1


def zip_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tar_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


FILES = {
    "p1/a.png": picture(1),
    "p1/b.png": picture(2),
    "p2/a.png": picture(3),
    "p2/same.png": picture(1),
    "../up.png": picture(4),
    "bad.png": b"no image",
    "notes.txt": b"hello",
}


async def imported(
    client: httpx.AsyncClient, data: bytes, kind: str = "archive", **more: str
) -> str:
    answer = await client.post(
        f"{SET}/imports", data={"kind": kind} | more, files={"file": ("file", data)}
    )
    assert answer.status_code == 202, answer.text
    return f"{SET}/imports/{answer.json()['import_id']}"


@pytest.mark.parametrize("pack", [zip_of, tar_of])
async def test_an_archive_becomes_assets_with_a_report_of_each_entry(
    ingest: RunningService, client: httpx.AsyncClient, pack: Any
) -> None:
    where = await imported(client, pack(FILES), group_from_folder="true")
    await ingest.settled()
    shown = (await client.get(where)).json()
    assert (shown["state"], shown["counts"]) == ("done", {"new": 3, "refused": 4}), shown
    lines = await everything(client, f"{where}/lines")
    assert {str(line["name"]): line["code"] or line["outcome"] for line in lines} == {
        "p1/a.png": "new",
        "p1/b.png": "new",
        "p2/a.png": "new",
        "p2/same.png": "asset-differs",  # it is in another folder, which is another group
        "../up.png": "unsafe-name",
        "bad.png": "not-an-image",
        "notes.txt": "no-image-name",
    }
    items = (await client.get(f"{SET}/assets")).json()["items"]
    assert {i["file_name"]: i["group"] for i in items} == {
        "p1/a.png": "p1",
        "p1/b.png": "p1",
        "p2/a.png": "p2",
    }
    assert await staged(ingest) == []
    again = await imported(client, pack(FILES))
    await ingest.settled()
    assert (await client.get(again)).json()["counts"] == {"duplicate": 4, "refused": 3}


async def test_a_big_archive_is_declared_like_a_big_image(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    data = zip_of({"a.png": picture(1), "b.png": picture(2)})
    upload_id = await begin(client, data, name="photos.zip", purpose="archive")
    await send(client, upload_id, data)
    done = await completed(client, ingest, upload_id)
    shown = (await client.get(f"{SET}/imports/{done['import_id']}")).json()
    assert (shown["state"], shown["counts"]) == ("done", {"new": 2})
    assert await staged(ingest) == []


async def test_an_archive_that_is_none_or_too_long_fails_with_its_reason(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    long = zip_of({f"{n}.png": b"x" for n in range(31)})
    for data, code in ((b"<html>", "no-archive"), (long, "archive-too-long")):
        where = await imported(client, data)
        await ingest.settled()
        shown = (await client.get(where)).json()
        assert (shown["state"], shown["code"]) == ("failed", code)
    cut = tar_of({f"{n}.png": picture(n) for n in range(6)})
    where = await imported(client, cut[: len(cut) // 2])
    await ingest.settled()
    shown = (await client.get(where)).json()
    assert (shown["state"], shown["code"]) == ("failed", "damaged-archive")
    assert shown["counts"]["new"] >= 1, "what came before the damage is in the dataset"
    assert await staged(ingest) == []


async def test_one_key_with_another_import_is_refused_and_the_same_one_is_taken_once(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    client.headers["Idempotency-Key"] = "night-3"
    first, second = zip_of({"a.png": picture(1)}), zip_of({"b.png": picture(2)})
    where = await imported(client, first)
    assert await imported(client, first) == where
    for data, more in ((second, {}), (first, {"group_from_folder": "true"})):
        answer = await client.post(
            f"{SET}/imports", data={"kind": "archive"} | more, files={"file": ("file", data)}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    await ingest.settled()
    assert await staged(ingest) == [], "what is not imported is not kept"
    assert len((await client.get(f"{SET}/imports")).json()["items"]) == 1


async def test_what_has_no_room_on_the_disk_is_refused_before_it_comes(scope: Scope) -> None:
    room = 300 << 20
    chosen = settings_of(scope, "ingest", Settings, scratch_bytes=room)
    async with (
        running(service(chosen), scope) as ingest,
        ingest.client("engineer") as client,
    ):
        await client.put(SET, json={})
        most = room - room // 3 - unpacking.CHUNK_BYTES
        big = declared(IMAGE, bytes=most + 1, purpose="archive")
        refused = await client.post(UPLOADS, json=big)
        assert (refused.status_code, refused.json()["code"]) == (413, "file-too-large")
        assert f"{most:,} bytes" in refused.json()["detail"]
        assert (await client.post(UPLOADS, json=big | {"bytes": most})).status_code == 201
        image = declared(IMAGE, bytes=room // 3 + 1)
        assert (await client.post(UPLOADS, json=image)).status_code == 413
        data = zip_of({"a.png": picture(1)})
        scratch = ingest.process.runtime.resources.scratch
        with scratch.claim(room):
            full = await client.post(
                f"{SET}/imports", data={"kind": "archive"}, files={"file": ("file", data)}
            )
            assert (full.status_code, full.json()["code"]) == (503, "scratch-full")
        where = await imported(client, data)
        await ingest.settled()
        assert (await client.get(where)).json()["counts"] == {"new": 1}
        with scratch.claim(room):
            assert list(scratch.folder.iterdir()) == [], "all of it was given back"


async def test_an_import_waits_for_room_and_one_that_never_has_any_ends(scope: Scope) -> None:
    room = 300 << 20
    chosen = settings_of(scope, "ingest", Settings, scratch_bytes=room)
    async with (
        running(service(chosen), scope, Kind.SERVE) as front,
        front.client("engineer") as client,
    ):
        await client.put(SET, json={})
        where = await imported(client, zip_of({"a.png": picture(1)}))
        never = await imported(client, zip_of({"b.png": picture(2)}))
        import_id = never.rpartition("/")[2]
        await front.database["uploads"].update_one(  # which the release before took
            {"import_id": import_id}, {"$set": {"bytes": room}}
        )
        async with running(service(chosen), scope) as runner:
            with runner.process.runtime.resources.scratch.claim(room - 1_000):
                await asyncio.sleep(1)
                assert (await client.get(where)).json()["state"] in ("queued", "running")
            await runner.settled()
        assert (await client.get(where)).json()["state"] == "done"
        shown = (await client.get(never)).json()
        assert (shown["state"], shown["code"]) == ("failed", "file-too-large")


async def test_strange_import_forms_are_refused(
    ingest: RunningService, client: httpx.AsyncClient
) -> None:
    for data, files in (
        ({"kind": "sync"}, {"file": ("f", b"x")}),
        ({"kind": "archive"}, {"image": ("f", b"x")}),
        ({"kind": "archive"}, {"file": ("f", b"")}),
        ({"kind": "archive", "group_from_folder": "maybe"}, {"file": ("f", b"x")}),
        ({"kind": "archive", "colour": "red"}, {"file": ("f", b"x")}),
    ):
        answer = await client.post(f"{SET}/imports", data=data, files=files)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-upload")


async def test_an_archive_goes_on_where_a_dead_process_was(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "CHUNK", 3)
    chosen = settings(scope)
    data = zip_of({f"{n:02}.png": picture(n) for n in range(14)})
    real = Blobs.put_file
    stored: list[str] = []

    async def dies(self: Blobs, bucket: str, key: str, *rest: Any) -> None:
        if key.startswith("fields/"):
            stored.append(key)
            if len(stored) == 8:  # in the third chunk: two are written down
                raise asyncio.CancelledError
        await real(self, bucket, key, *rest)

    async with (
        running(service(chosen), scope, Kind.SERVE) as front,
        front.client("engineer") as client,
    ):
        await client.put(SET, json={})
        where = await imported(client, data)
        with monkeypatch.context() as patched:
            patched.setattr(Blobs, "put_file", dies)
            async with running(service(chosen), scope, Kind.RUN):
                while len(stored) < 8:
                    await asyncio.sleep(0.02)
                await asyncio.sleep(0.2)
        await front.database["jobs"].update_many(
            {"kind": "archive"}, [{"$set": {"state": "running", "not_before": "$$NOW"}}]
        )
        assert (await client.get(where)).json()["counts"] == {"new": 6}
        async with running(service(chosen), scope) as revived:
            await revived.settled()
        shown = (await client.get(where)).json()
        assert (shown["state"], shown["counts"]) == ("done", {"new": 14})
        assert (await client.get(SET)).json()["ingested"] == 14
