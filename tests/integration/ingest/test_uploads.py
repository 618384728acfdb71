"""Files that are declared first and sent in parts."""

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta
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
    send,
    settings,
    staged,
    zip_of,
)
from wakeline_ingest import jobs
from wakeline_ingest.wiring import service
from wakeline_process.processes import Kind
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, running

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


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
