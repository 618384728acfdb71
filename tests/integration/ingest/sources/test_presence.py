"""What is told of images that leave their bucket and come back."""

import asyncio
import hashlib

import httpx
import pytest

from tests.integration.ingest.images import Bucket, picture
from wakeline_events.base import Event
from wakeline_events.ingest import AssetIngested, AssetRestored, AssetWithdrawn
from wakeline_ingest import usecases
from wakeline_ingest.wiring import service
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, published, running

from .kit import SET, SOURCE, asset_named, settings, synced

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


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
