"""The feed by long polling: it waits, goes on from any position, and misses nothing."""

import asyncio

import pytest

from . import loop
from .conftest import Witness

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]


async def test_a_poll_waits_for_what_comes_and_goes_on_behind_it(witness: Witness) -> None:
    empty = await witness.get("/v1/changes", wait=0)
    assert empty == {"items": [], "position": 0, "head": 0}
    waiting = asyncio.create_task(witness.get("/v1/changes", role="engineer", wait=50))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await witness.publisher.publish(*loop.labeled(0))
    first = await waiting
    assert first["items"][0]["position"] == 1
    await witness.service.settled()
    rest = await witness.get("/v1/changes", after=first["position"], wait=0)
    positions = [item["position"] for item in (*first["items"], *rest["items"])]
    assert positions == [1, 2, 3, 4, 5, 6]


async def test_a_poll_for_rare_types_does_not_read_the_same_events_again(witness: Witness) -> None:
    await witness.publisher.publish(*loop.labeled(0))
    await witness.service.settled()
    found = await witness.get("/v1/changes", types=["model.trained"], wait=0)
    assert (found["items"], found["position"]) == ([], 6)
    found = await witness.get("/v1/changes", types=["label.accepted"], wait=0)
    assert [item["type"] for item in found["items"]] == ["label.accepted"]
    status, problem = await witness.refused("/v1/changes", types=["label.admired"])
    assert (status, problem["code"]) == (422, "unknown-event-type")


async def test_pages_of_the_feed_join_without_a_seam(witness: Witness) -> None:
    await witness.told()
    seen, after = [], 0
    while True:
        page = await witness.get("/v1/changes", after=after, limit=4, wait=0)
        if not page["items"]:
            break
        seen += [item["position"] for item in page["items"]]
        after = page["position"]
    assert seen == list(range(1, len(seen) + 1))
    assert after == page["head"]
