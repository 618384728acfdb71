"""What a sync makes of what it finds in a bucket."""

import hashlib

import httpx
import pytest

from tests.integration.ingest.images import Bucket, everything, picture
from wakeline_testing import Scope
from wakeline_testing.running import RunningService

from .kit import SET, synced

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


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
