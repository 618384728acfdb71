"""The feed by long polling: it waits, goes on from any position, and misses nothing."""

import asyncio
from dataclasses import replace

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
    await witness.service.settled()
    rest = await witness.get("/v1/changes", after=first["position"], wait=0)
    positions = [item["position"] for item in (*first["items"], *rest["items"])]
    assert len(positions) == 6
    assert positions == sorted(set(positions))


async def test_a_poll_for_rare_types_does_not_read_the_same_events_again(witness: Witness) -> None:
    await witness.publisher.publish(*loop.labeled(0))
    await witness.service.settled()
    found = await witness.get("/v1/changes", types=["model.trained"], wait=0)
    assert (found["items"], found["position"]) == ([], found["head"])
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
    assert seen == await witness.service.database["history"].distinct("position")
    assert after == page["head"] == seen[-1]


async def test_what_republishing_says_again_is_no_news_but_stays_in_the_history(
    witness: Witness,
) -> None:
    first = witness.publisher.envelope(loop.example("label.rejected"))
    again = replace(witness.publisher.envelope(loop.example("label.rejected")), snapshot=True)
    await witness.publisher.send(first, again)
    await witness.service.settled()
    news = await witness.get("/v1/changes", wait=0)
    assert [(e["id"], e["snapshot"]) for e in news["items"]] == [(first.id, False)]
    assert news["position"] == news["head"], "and nobody asks for it again and again"
    both = await witness.get("/v1/changes", wait=0, snapshots=True)
    assert [(e["id"], e["snapshot"]) for e in both["items"]] == [
        (first.id, False),
        (again.id, True),
    ]
    kept = await witness.get("/v1/history", key=first.key)
    assert [e["snapshot"] for e in kept["items"]] == [False, True]


async def test_whoever_stood_at_the_end_misses_nothing_after_a_restore(witness: Witness) -> None:
    events = [witness.publisher.envelope(loop.example("label.rejected")) for _ in range(6)]
    await witness.publisher.send(*events[:2])
    await witness.service.settled()
    backup = await witness.service.database["counters"].find_one({"_id": "history"})
    await witness.publisher.send(*events[2:5])
    await witness.service.settled()
    stood = (await witness.get("/v1/changes", wait=0))["position"]
    # As a backup has it that was taken after the second event.
    await witness.service.database["history"].delete_many({"sequence": {"$gt": 2}})
    await witness.service.database["marks"].update_many({}, {"$set": {"sequence": 2}})
    await witness.service.database["counters"].replace_one({"_id": "history"}, backup)
    assert (await witness.get("/v1/changes", after=stood, wait=0))["items"] == []
    await witness.publisher.send(*events[2:])
    await witness.service.settled()
    found = await witness.get("/v1/changes", after=stood, wait=0)
    assert [e["sequence"] for e in found["items"]] == [3, 4, 5, 6]


async def test_a_stream_is_not_taken_up_from_a_position_that_cannot_be(witness: Witness) -> None:
    async with witness.service.client("engineer") as client:
        for last in ("9" * 20, "-1", "x"):
            headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
            answer = await client.get("/v1/changes", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid-cursor")
