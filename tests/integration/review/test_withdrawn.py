"""Reviews of images that are not to be had wait, with what people made, until they are back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from wakeline_events.ingest import AssetRestored, AssetWithdrawn
from wakeline_messaging import Processor
from wakeline_process.runtime import open_runtime
from wakeline_review.handlers import handlers
from wakeline_review.settings import Settings
from wakeline_review.usecases import withdrawing
from wakeline_review.wiring import service
from wakeline_testing import Scope
from wakeline_testing.interleaving import BOOKKEEPING, interleaved, replayed, state_hash
from wakeline_testing.running import Publisher, RunningService, published, settings_of

from .cases import box, completed, configured, judge
from .test_leasing import LEASES, labeled, over, take

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


Tell = Callable[[type[AssetWithdrawn] | type[AssetRestored]], Awaitable[None]]


@pytest.fixture
def tell(scope: Scope, review: RunningService) -> Tell:
    """Says of the first image that it is gone, or back."""
    publisher = Publisher(scope)

    async def say(kind: type[AssetWithdrawn] | type[AssetRestored]) -> None:
        await publisher.publish(kind(asset_id="tiles:a0"))
        await review.settled()

    return say


async def nothing(review: RunningService, person: str = "p-expert") -> bool:
    client = review.client("reviewer", person_id=person, team_id="experts")
    answer = await client.post(LEASES, json={"project": "harbour", "stage": "find"})
    return (answer.status_code, answer.json()["code"]) == (404, "no-review-available")


async def told(review: RunningService) -> tuple[dict[str, int], list[bool]]:
    """The states of reviews, and which of these are withdrawn, as managers are told."""
    manager = review.client("manager", person_id="p-boss")
    stage = {"project": "harbour", "stage": "find"}
    counts = (await manager.get("/v1/reviews/status", params=stage)).json()["counts"]
    records = (await manager.get("/v1/reviews", params=stage)).json()["items"]
    return counts, [record["withdrawn"] for record in records]


async def test_nobody_judges_what_they_cannot_see_until_it_is_back(
    scope: Scope, review: RunningService, tell: Tell
) -> None:
    await labeled(scope, review, 2)
    await tell(AssetWithdrawn)
    assert await told(review) == ({"pending": 1, "withdrawn": 1}, [True, False])
    (other,) = await take(review, "p-expert", 5)
    assert other["label_id"] == "task-a1.0.1"
    await tell(AssetWithdrawn)  # superseded after all: told again
    await tell(AssetRestored)
    assert await told(review) == ({"pending": 1, "leased": 1}, [False, False])
    (back,) = await take(review, "p-expert", 5)
    assert back["label_id"] == "task-a0.0.1"


async def test_a_label_that_comes_after_its_image_is_gone_waits_too(
    scope: Scope, review: RunningService, tell: Tell
) -> None:
    publisher = Publisher(scope)
    await tell(AssetWithdrawn)
    await publisher.publish(configured(n_labels=2), completed("a0", box("1", 10)))
    await publisher.publish(completed("a0", box("1", 60), slot=1, person="p-other"))
    await review.settled()
    assert await nothing(review)
    assert await published(scope, "review") == []  # the labels of its people are kept
    await tell(AssetRestored)
    (back,) = await take(review, "p-expert", 5)
    assert len(back["labels"]) == 2


@pytest.mark.parametrize("end", ["verdict", "return", "time"])
async def test_who_has_the_image_on_the_screen_may_finish(
    scope: Scope, review: RunningService, tell: Tell, end: str
) -> None:
    await labeled(scope, review, 1)
    (lease,) = await take(review, "p-expert", 1, key="k")
    await tell(AssetWithdrawn)
    assert await take(review, "p-expert", 1, key="k") == [lease]
    if end == "verdict":
        assert (await judge(review, lease, verdict="accept")).status_code == 200
        return
    if end == "time":
        await over(review)
    else:
        client = review.client("reviewer", person_id="p-expert", team_id="experts")
        await client.post(f"{LEASES}/{lease['lease_id']}/return")
    assert await nothing(review, "p-other")
    await tell(AssetRestored)
    assert len(await take(review, "p-other", 1)) == 1


async def test_a_label_that_came_at_the_same_moment_is_not_shown_without_its_image(
    scope: Scope, review: RunningService, tell: Tell
) -> None:
    """Two transactions that do not see each other: the label's, and that of the withdrawal."""
    await labeled(scope, review, 2)
    await review.database["withdrawals"].insert_one({"_id": "tiles:a0"})
    (other,) = await take(review, "p-expert", 5)
    assert other["label_id"] == "task-a1.0.1"
    assert await told(review) == ({"leased": 1, "withdrawn": 1}, [True, False])
    await tell(AssetRestored)
    assert len(await take(review, "p-expert", 5)) == 1


async def test_an_image_that_is_back_while_its_label_comes_is_not_overlooked(
    scope: Scope, review: RunningService, tell: Tell
) -> None:
    await labeled(scope, review, 1)
    await tell(AssetWithdrawn)
    stores, tries = review.stores, 0

    async def keeps(session: Any) -> None:
        nonlocal tries
        tries += 1
        uow: Any = stores.open(session)
        await uow.reviews.get("task-a0.0.1")  # its snapshot is from before
        if tries == 1:
            await stores.transactions.run(restores)
        await withdrawing.keep_withdrawn(uow, "tiles:a0")
        await uow.write()

    async def restores(session: Any) -> None:
        uow: Any = stores.open(session)
        withdrawing.restore(uow, "tiles:a0")
        await uow.write()

    await stores.transactions.run(keeps)
    assert tries == 2
    assert len(await take(review, "p-expert", 1)) == 1


async def test_any_interleaving_of_withdrawals_gives_one_state(scope: Scope) -> None:
    publisher = Publisher(scope)
    envelopes = [
        publisher.envelope(event)
        for event in (
            configured(share=0.5),
            *(completed(f"a{number}", box("1", 10)) for number in range(6)),
            *(AssetWithdrawn(asset_id=f"tiles:a{number}") for number in (0, 1, 2, 3)),
            *(AssetRestored(asset_id=f"tiles:a{number}") for number in (2, 3)),
        )
    ]
    hashes = set()
    for seed in range(8):
        settings = settings_of(scope, "review", Settings, mongo=scope.mongo(f"review{seed}"))
        async with open_runtime(service(settings)) as runtime:
            random = Random(seed)
            await replayed(
                Processor(handlers, runtime.stores), interleaved(envelopes, random), random
            )
            gone = await runtime.database["withdrawals"].distinct("_id")
            assert gone == ["tiles:a0", "tiles:a1"]
            # How often one was looked at depends on the order.
            hashes.add(await state_hash(runtime.database, BOOKKEEPING | {"withdrawals"}))
    assert len(hashes) == 1
