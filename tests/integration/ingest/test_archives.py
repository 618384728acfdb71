"""Archives that are unpacked here."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.integration.ingest.images import everything, picture
from tests.integration.ingest.sending import (
    IMAGE,
    SET,
    UPLOADS,
    begin,
    completed,
    declared,
    imported,
    send,
    settings,
    staged,
    tar_of,
    zip_of,
)
from wakeline_blobs import Blobs
from wakeline_ingest.importing import unpacking
from wakeline_ingest.settings import Settings
from wakeline_ingest.wiring import service
from wakeline_process.processes import Kind
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, running, settings_of

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]

FILES = {
    "p1/a.png": picture(1),
    "p1/b.png": picture(2),
    "p2/a.png": picture(3),
    "p2/same.png": picture(1),
    "../up.png": picture(4),
    "bad.png": b"no image",
    "notes.txt": b"hello",
}


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
