"""Labels on their way to counting, over real Kafka, MongoDB and S3."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from wakeline_events.labeling import BenchmarkSet, TaskClosed, TeamConfigured
from wakeline_events.review import LabelAccepted, LabelRejected, LabelSuperseded
from wakeline_messaging import Processor
from wakeline_process.runtime import open_runtime
from wakeline_review.handlers import handlers
from wakeline_review.settings import Settings
from wakeline_review.wiring import service
from wakeline_testing import Scope
from wakeline_testing.interleaving import interleaved, replayed, state_hash
from wakeline_testing.running import (
    Publisher,
    RunningService,
    published,
    settings_of,
)

from .cases import box, completed, configured, judge, lease, shapes

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


async def test_a_label_below_the_share_counts_without_a_reviewer(
    scope: Scope, review: RunningService
) -> None:
    about = {"focus_regions": ((5.0, 5.0, 60.0, 40.0),)}
    label = completed("a", box("1", 10)).model_copy(update=about)
    await Publisher(scope).publish(configured(share=0), label)
    await review.settled()
    (event,) = [e.event() for e in await published(scope, "review")]
    assert isinstance(event, LabelAccepted)
    assert (event.verdict, event.merged_from) == ("unreviewed", ("task-a.0.1",))
    assert event.focus_regions == label.focus_regions


async def test_a_correction_keeps_both_versions_and_measures_their_agreement(
    scope: Scope, review: RunningService
) -> None:
    await Publisher(scope).publish(configured(), completed("a", box("1", 10), box("2", 50)))
    await review.settled()
    leased = await lease(review)
    corrected = [box("1", 10).model_dump(mode="json")]
    answer = await judge(
        review, leased, verdict="correct", annotations=corrected, comment="no ship"
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["agreement"] == pytest.approx(0.5)
    await review.settled()
    (event,) = [e.event() for e in await published(scope, "review")]
    assert isinstance(event, LabelAccepted)
    assert event.annotations.count == 1
    row = await review.database["reviews"].find_one({"_id": "task-a.0.1"})
    assert len(row["label"]["annotations"]["items"]) == 2
    labeler = review.client("labeler", person_id="p-labeler")
    verdict = await labeler.get("/v1/verdicts", params={"label_id": "task-a.0.1"})
    assert verdict.json()["comment"] == "no ship"
    stranger = review.client("labeler", person_id="p-other")
    refused = await stranger.get("/v1/verdicts", params={"label_id": "task-a.0.1"})
    assert refused.status_code == 404


@pytest.mark.parametrize(
    "contradiction",
    [
        {"verdict": "correct"},
        {"verdict": "correct", "annotations": None},
        {"verdict": "accept", "annotations": [box("1", 12).model_dump(mode="json")]},
        {"verdict": "reject", "annotations": []},
    ],
    ids=["no correction", "null", "an accepted correction", "a rejected one"],
)
async def test_a_verdict_and_its_annotations_contradict_each_other_to_no_effect(
    scope: Scope, review: RunningService, contradiction: dict[str, Any]
) -> None:
    await Publisher(scope).publish(configured(), completed("a", box("1", 10)))
    await review.settled()
    leased = await lease(review)
    refused = await judge(review, leased, **contradiction)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-verdict")
    late = await judge(review, {**leased, "lease_id": "task-a.0.1.99"}, **contradiction)
    assert late.status_code == 422
    assert await review.database["drafts"].count_documents({}) == 0
    assert (await judge(review, leased, verdict="correct", annotations=[])).status_code == 200
    await review.settled()
    (event,) = [e.event() for e in await published(scope, "review")]
    assert isinstance(event, LabelAccepted)
    assert (event.verdict, event.annotations.count) == ("corrected", 0)


async def test_a_rejection_opens_a_round_until_the_last_one(
    scope: Scope, review: RunningService
) -> None:
    publisher = Publisher(scope)
    await publisher.publish(configured(), completed("a"))
    await review.settled()
    assert (await judge(review, await lease(review), verdict="reject")).status_code == 200
    await publisher.publish(completed("a", round=2))
    await review.settled()
    second = await lease(review)
    refused = await judge(review, second, verdict="reject")
    assert (refused.status_code, refused.json()["code"]) == (409, "last-round")
    assert (await judge(review, second, verdict="accept")).status_code == 200
    await review.settled()
    events = [e.event() for e in await published(scope, "review")]
    assert [type(e) for e in events] == [LabelRejected, LabelAccepted]


async def test_labels_of_a_stage_that_is_gone_are_reviewed_as_it_last_said(
    scope: Scope, review: RunningService
) -> None:
    publisher = Publisher(scope)
    await publisher.publish(
        configured(max_rounds=1), completed("a"), completed("b"), configured(version=2)
    )
    await review.settled()
    out = await lease(review)
    await publisher.publish(
        configured(version=3, stage="sort"), configured(version=4, stage="sort")
    )
    await publisher.publish(
        completed("c"),
        *(completed("d", box("1", 10 + 40 * n), slot=n, person=f"p-{n}") for n in range(2)),
    )
    await review.settled()
    assert await review.database["dead"].count_documents({}) == 0
    client = review.client("reviewer", person_id="p-expert", team_id="experts")
    beat = await client.post(f"/v1/reviews/leases/{out['lease_id']}/heartbeat")
    assert beat.status_code == 200
    assert (await judge(review, out, verdict="reject")).status_code == 200
    waiting = [await lease(review) for _ in "bcdd"]
    assert all([(await judge(review, one, verdict="accept")).is_success for one in waiting])
    strange = await client.post("/v1/reviews/leases", json={"project": "harbour", "stage": "x"})
    assert (strange.status_code, strange.json()["code"]) == (404, "unknown-stage")
    assert (await review.database["projects"].find_one({}))["gone"][0]["name"] == "find"
    await publisher.publish(configured(version=5, share=0), completed("e"))
    await review.settled()
    assert (await review.database["reviews"].find_one({"_id": "task-e.0.1"}))["state"] == "merged"
    assert [s["name"] for s in (await review.database["projects"].find_one({}))["gone"]] == ["sort"]


async def test_nobody_reviews_a_label_of_their_own(scope: Scope, review: RunningService) -> None:
    await Publisher(scope).publish(configured(), completed("a", person="p-expert"))
    await review.settled()
    client = review.client("reviewer", person_id="p-expert", team_id="experts")
    answer = await client.post("/v1/reviews/leases", json={"project": "harbour", "stage": "find"})
    assert (answer.status_code, answer.json()["code"]) == (404, "no-review-available")


async def test_a_late_verdict_is_refused_and_kept_as_a_draft(
    scope: Scope, review: RunningService
) -> None:
    await Publisher(scope).publish(configured(), completed("a", box("1", 10)))
    await review.settled()
    first = await lease(review)
    await review.database["reviews"].update_one(
        {"_id": "task-a.0.1"}, {"$set": {"lease.expires_at": datetime(2020, 1, 1, tzinfo=UTC)}}
    )
    second = await lease(review, person="p-second")
    assert second["fence"] == first["fence"] + 1
    work = [box("1", 12).model_dump(mode="json")]
    late = await judge(review, first, verdict="correct", annotations=work)
    assert (late.status_code, late.json()["code"]) == (409, "lease-expired")
    draft = await review.database["drafts"].find_one({"_id": "task-a.0.1|p-expert"})
    assert draft["work"]["annotations"] == work
    assert await published(scope, "review") == []


async def test_a_label_of_a_benchmark_asset_is_scored_by_itself(
    scope: Scope, review: RunningService
) -> None:
    label = completed("a", box("1", 10), box("2", 60), arm="benchmark")
    truth = BenchmarkSet(
        asset_id=label.asset_id,
        project_id="harbour",
        stage_id="harbour/find",
        asset=label.asset,
        truth=shapes(box("t", 10)),
    )
    await Publisher(scope).publish(configured(), truth, label)
    await review.settled()
    (event,) = [e.event() for e in await published(scope, "review")]
    assert isinstance(event, LabelAccepted)
    assert event.benchmark_score == pytest.approx(0.5)


async def test_a_later_correction_supersedes_a_label_that_counts(
    scope: Scope, review: RunningService
) -> None:
    await Publisher(scope).publish(configured(share=0), completed("a", box("1", 10)))
    await review.settled()
    client = review.client("reviewer", person_id="p-expert", team_id="experts")
    bad = [box("1", 10, class_name="whale").model_dump(mode="json")]
    refused = await client.post("/v1/reviews/task-a.0.1/corrections", json={"annotations": bad})
    assert refused.status_code == 422
    assert "whale" in refused.json()["problems"][0]
    answer = await client.post("/v1/reviews/task-a.0.1/corrections", json={"annotations": []})
    assert answer.status_code == 200, answer.text
    await review.settled()
    events = [e.event() for e in await published(scope, "review")]
    assert [type(e) for e in events] == [LabelAccepted, LabelSuperseded]


async def test_nobody_corrects_their_own_label_nor_one_of_another_teams_stage(
    scope: Scope, review: RunningService
) -> None:
    await Publisher(scope).publish(configured(share=0), completed("a", box("1", 10)))
    await review.settled()
    url, nothing = "/v1/reviews/task-a.0.1/corrections", {"annotations": []}
    for person, team, code in (
        ("p-labeler", "experts", (403, "own-label")),
        ("p-x", "others", (404, "no-such-review")),
    ):
        client = review.client("reviewer", person_id=person, team_id=team)
        refused = await client.post(url, json=nothing)
        assert (refused.status_code, refused.json()["code"]) == code


async def test_any_interleaving_gives_one_state(scope: Scope) -> None:
    publisher = Publisher(scope)
    cancelled = completed("e")
    envelopes = [
        publisher.envelope(event)
        for event in (
            completed("a", box("1", 10)),
            completed("b"),
            configured(share=0.5, n_labels=2),
            configured(share=0, version=2, stage="sort"),
            completed("c", counts=False, arm="control"),
            completed("d", box("1", 10)),
            completed("d", box("1", 12), slot=1, person="p-other"),
            cancelled,
            TaskClosed(
                asset_id=cancelled.asset_id,
                stage_id=cancelled.stage_id,
                task_id=cancelled.task_id,
                reason="cancelled",
            ),
            TeamConfigured(
                team_id="vendor", version=1, kind="vendor", cost_per_hour=9.0, members=()
            ),
        )
    ]
    hashes = set()
    for seed in range(20):
        settings = settings_of(scope, "review", Settings, mongo=scope.mongo(f"review{seed}"))
        async with open_runtime(service(settings)) as runtime:
            random = Random(seed)
            await replayed(
                Processor(handlers, runtime.stores), interleaved(envelopes, random), random
            )
            assert await runtime.database["waiting"].count_documents({}) == 0
            hashes.add(await state_hash(runtime.database))
    assert len(hashes) == 1


async def test_an_imported_label_counts_at_once_and_measures_nobody(
    scope: Scope, review: RunningService
) -> None:
    imported = completed("a", box("1", 10), person="import:cvat")
    await Publisher(scope).publish(configured(), imported)
    await review.settled()
    (event,) = [e.event() for e in await published(scope, "review")]
    assert isinstance(event, LabelAccepted)
    assert (event.verdict, event.label_id) == ("unreviewed", imported.label_id)
    assert await review.database["days"].count_documents({}) == 0
