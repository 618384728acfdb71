"""Who has which review: after a restart, among many at one queue, and when a manager ends it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from wakeline_review.migrations import MIGRATIONS
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, RunningService

from .cases import box, completed, configured, judge

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]
LEASES = "/v1/reviews/leases"


async def labeled(scope: Scope, review: RunningService, count: int) -> None:
    labels = [completed(f"a{number}", box("1", 10)) for number in range(count)]
    await Publisher(scope).publish(configured(), *labels)
    await review.settled()


async def take(
    review: RunningService, person: str, count: int, key: str | None = None
) -> list[dict[str, Any]]:
    client = review.client("reviewer", person_id=person, team_id="experts")
    answer = await client.post(
        LEASES,
        json={"project": "harbour", "stage": "find", "count": count},
        headers={"Idempotency-Key": key} if key else {},
    )
    assert answer.status_code == 201, answer.text
    leases: list[dict[str, Any]] = answer.json()["leases"]
    return leases


async def held(review: RunningService, person: str = "p-expert") -> set[str]:
    client = review.client("reviewer", person_id=person, team_id="experts")
    return ids((await client.get(LEASES)).json()["leases"])


def ids(leases: list[dict[str, Any]]) -> set[str]:
    return {lease["lease_id"] for lease in leases}


async def over(review: RunningService) -> None:
    await review.database["reviews"].update_many(
        {"state": "leased"}, [{"$set": {"lease.expires_at": {"$subtract": ["$$NOW", 1]}}}]
    )


async def test_a_program_that_was_killed_finds_its_reviews_again(
    scope: Scope, review: RunningService
) -> None:
    await labeled(scope, review, 5)
    taken = await take(review, "p-expert", 3, key="k")
    client = review.client("reviewer", person_id="p-expert", team_id="experts")
    assert (await client.get(LEASES)).json()["leases"] == taken
    assert await take(review, "p-expert", 3, key="k") == taken
    assert (await judge(review, taken[0], verdict="accept")).status_code == 200
    assert await take(review, "p-expert", 3, key="k") == taken[1:]
    assert await held(review) == ids(taken[1:])
    others = await take(review, "p-other", 50)
    assert len(others) == 2
    assert await held(review, "p-other") == ids(others)
    await over(review)
    assert await held(review) == set()


async def test_many_at_one_queue_get_every_review_once(
    scope: Scope, review: RunningService
) -> None:
    await labeled(scope, review, 24)
    # Everyone asks twice at once, as who believes that the first request was lost.
    people = [f"p-{number}" for number in range(4)] * 2
    await asyncio.gather(*(take(review, person, 6, key="k") for person in people))
    leases = [await held(review, f"p-{number}") for number in range(4)]
    assert [len(of_one) for of_one in leases] == [6, 6, 6, 6]
    assert len(set().union(*leases)) == 24


@pytest.mark.parametrize("what", ["image", "bands/nir", "heartbeat", "return", "skip", "verdict"])
async def test_a_lease_that_is_over_is_told_from_one_that_never_was(
    scope: Scope, review: RunningService, what: str
) -> None:
    await labeled(scope, review, 1)
    (lease,) = await take(review, "p-expert", 1)

    async def answer(person: str, lease_id: str) -> tuple[int, str, bool]:
        client = review.client("reviewer", person_id=person, team_id="experts")
        body = {"json": {"fence": 1, "verdict": "accept"}} if what == "verdict" else {}
        method = "GET" if what.startswith(("image", "bands")) else "POST"
        told = await client.request(method, f"{LEASES}/{lease_id}/{what}", **body)
        return told.status_code, told.json()["code"], "draft" in told.json()["detail"]

    never = (404, "no-such-lease", False)
    assert await answer("p-other", lease["lease_id"]) == never
    for wrong in ("task-a0.0.1.2", "task-a0.0.1." + "9" * 5_000, "task-a0.0.1.x", "nothing"):
        assert await answer("p-expert", wrong) == never
    assert await review.database["drafts"].count_documents({}) == 0
    await over(review)
    await take(review, "p-other", 1)
    kept = what == "verdict"
    assert await answer("p-expert", lease["lease_id"]) == (409, "lease-expired", kept)
    assert await review.database["drafts"].count_documents({}) == kept


async def test_late_work_of_a_lease_of_the_release_before_is_kept(
    scope: Scope, review: RunningService
) -> None:
    await labeled(scope, review, 1)
    (lease,) = await take(review, "p-expert", 1)
    await over(review)
    # That release wrote down nobody who had a lease; this one was given back before the upgrade.
    back = {"$set": {"state": "pending", "lease": None}, "$unset": {"reviewers": ""}}
    await review.database["reviews"].update_many({}, back)
    client = review.client("reviewer", person_id="p-expert", team_id="experts")
    late = {"fence": 1, "verdict": "correct", "annotations": []}
    told = await client.post(f"{LEASES}/{lease['lease_id']}/verdict", json=late)
    assert (told.status_code, told.json()["code"]) == (409, "lease-expired")
    assert await review.database["drafts"].count_documents({}) == 1
    never = lease["lease_id"].rpartition(".")[0] + ".0"
    told = await client.post(f"{LEASES}/{never}/verdict", json=late | {"fence": 0})
    assert told.status_code in (404, 422)


async def test_a_manager_ends_the_leases_of_one_who_is_away(
    scope: Scope, review: RunningService
) -> None:
    await labeled(scope, review, 3)
    taken = await take(review, "p-expert", 2, key="k")
    others = await take(review, "p-other", 1)
    manager = review.client("manager", person_id="p-boss")
    records = (await manager.get("/v1/reviews", params={"project": "harbour"})).json()["items"]
    assert [one["held_by"] for one in records] == ["p-expert", "p-expert", "p-other"]
    away = {"project": "harbour", "person_id": "p-expert"}
    reviewer = review.client("reviewer", person_id="p-other", team_id="experts")
    assert (await reviewer.post(f"{LEASES}/release", json=away)).status_code == 403
    elsewhere = await manager.post(f"{LEASES}/release", json={**away, "stage": "sort"})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "unknown-stage")
    ends = {**away, "stage": "find", "reason": "on leave"}
    for _ in range(2):  # asked twice, done and noted once
        key = {"Idempotency-Key": "away"}
        released = await manager.post(f"{LEASES}/release", json=ends, headers=key)
        assert released.json() == {"released": 2}
    assert (await manager.post(f"{LEASES}/release", json=away)).json() == {"released": 0}
    actions: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"project": "harbour", "limit": "1", **({"cursor": cursor} if cursor else {})}
        page = (await manager.get("/v1/reviews/actions", params=query)).json()
        actions, cursor = [*actions, *page["items"]], page["next"]
    noted = [(one["by"], one["person_id"], one["stage"], one["released"]) for one in actions]
    ended = [("p-boss", "p-expert", "find", 2), ("p-boss", "p-expert", None, 0)]
    assert sorted(noted, key=str) == sorted(ended, key=str)
    assert {one["reason"] for one in actions} == {"on leave", ""}
    assert (await reviewer.get("/v1/reviews/actions?project=harbour")).status_code == 403
    assert await held(review) == set()
    assert await held(review, "p-other") == ids(others)
    work = [box("1", 12).model_dump(mode="json")]
    late = await judge(review, taken[0], verdict="correct", annotations=work)
    assert (late.status_code, late.json()["code"]) == (409, "lease-expired")
    again = await take(review, "p-expert", 2, key="k")
    assert [one["fence"] for one in again] == [2, 2]
    assert again[0]["draft"]["annotations"] == work


async def test_who_holds_a_lease_of_the_release_before_does_not_lose_work(
    scope: Scope, review: RunningService
) -> None:
    await labeled(scope, review, 1)
    (lease,) = await take(review, "p-expert", 1)
    await review.database["reviews"].update_one({}, {"$unset": {"reviewers": "", "request": ""}})
    for _ in range(2):
        await MIGRATIONS[3].apply(review.database)
    await over(review)
    await take(review, "p-other", 1)
    assert (await judge(review, lease, verdict="accept")).json()["code"] == "lease-expired"


async def test_a_review_that_is_skipped_goes_to_others_and_comes_back_if_nobody_takes_it(
    scope: Scope, review: RunningService
) -> None:
    await labeled(scope, review, 2)
    expert = review.client("reviewer", person_id="p-expert", team_id="experts")
    (first,) = await take(review, "p-expert", 1)
    assert (await expert.post(f"{LEASES}/{first['lease_id']}/skip")).status_code == 204
    (second,) = await take(review, "p-expert", 50)
    assert second["label_id"] != first["label_id"]
    (other,) = await take(review, "p-other", 50)
    assert other["label_id"] == first["label_id"]
    await over(review)  # p-other went home: it is still not p-expert's
    assert [one["label_id"] for one in await take(review, "p-expert", 50)] == [second["label_id"]]
    passed = [{"$set": {"skips.until": {"$subtract": ["$$NOW", 1]}}}]
    await review.database["reviews"].update_many({"skips.0": {"$exists": True}}, passed)
    (again,) = await take(review, "p-expert", 50)
    assert again["label_id"] == first["label_id"]


async def test_a_review_that_somebody_left_lying_waits_behind_nothing_newer(
    scope: Scope, review: RunningService
) -> None:
    await labeled(scope, review, 3)
    (left,) = await take(review, "p-gone", 1)
    await over(review)
    (first,) = await take(review, "p-expert", 1)
    assert (first["label_id"], first["fence"]) == (left["label_id"], 2)
    assert len(await take(review, "p-expert", 50)) == 2


@pytest.mark.parametrize("verdict", ["accept", "correct", "reject"])
async def test_a_verdict_whose_answer_was_lost_is_told_again_and_another_one_is_refused(
    scope: Scope, review: RunningService, verdict: str
) -> None:
    await labeled(scope, review, 1)
    (lease,) = await take(review, "p-expert", 1)
    shapes = {"annotations": [box("1", 12).model_dump(mode="json")]}
    said = {"verdict": verdict, **(shapes if verdict == "correct" else {})}
    given = await judge(review, lease, **said)
    assert given.status_code == 200
    # As a browser does that was loaded again: with a key of its own, or none.
    again = await judge(review, lease, **said)
    assert (again.status_code, again.json()) == (200, given.json())
    for other in ({"verdict": "accept"}, {"verdict": "reject"}, {"verdict": "correct", **shapes}):
        if other["verdict"] != verdict:
            refused = await judge(review, lease, **other)
            assert (refused.status_code, refused.json()["code"]) == (409, "already-judged")
    other = {"verdict": "correct", "annotations": []}
    assert (await judge(review, lease, **other)).json()["code"] == "already-judged"
    assert await review.database["drafts"].count_documents({}) == 0


async def test_work_that_became_a_verdict_is_no_draft_any_more(
    scope: Scope, review: RunningService
) -> None:
    await labeled(scope, review, 1)
    (lease,) = await take(review, "p-expert", 1)
    await over(review)
    (again,) = await take(review, "p-expert", 1)
    late = await judge(review, lease, verdict="correct", annotations=[])
    assert late.json()["code"] == "lease-expired"
    assert await review.database["drafts"].count_documents({}) == 1
    assert (await judge(review, again, verdict="accept")).status_code == 200
    assert await review.database["drafts"].count_documents({}) == 0


async def test_pixels_come_only_through_a_living_lease_and_out_of_no_cache(
    scope: Scope, review: RunningService
) -> None:
    await labeled(scope, review, 1)
    blobs = review.process.runtime.resources.blobs
    async with type(blobs)(scope.blobs()) as admin:
        await admin.put("assets", "tiles/a0", b"\x89PNG...pixels")
    (lease,) = await take(review, "p-expert", 1)
    client = review.client("reviewer", person_id="p-expert", team_id="experts")
    image = await client.get(f"{LEASES}/{lease['lease_id']}/image")
    assert image.content == b"\x89PNG...pixels"
    assert image.headers["cache-control"] == "private, no-store"
    await over(review)
    late = await client.get(f"{LEASES}/{lease['lease_id']}/image")
    assert (late.status_code, late.json()["code"]) == (409, "lease-expired")
