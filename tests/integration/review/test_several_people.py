"""Several people label one task: exactly one label of them counts, whoever decides and dies."""

import asyncio
import os
import signal
import sys
from typing import Any

import orjson
import pytest

from wakeline_events.base import Event
from wakeline_events.configuration import ClassDefinition, ConsensusPolicy, Ontology
from wakeline_events.labeling import LabelCompleted, TaskClosed
from wakeline_events.review import LabelAccepted, LabelRejected
from wakeline_geometry.shapes import Annotation, Box, Classification
from wakeline_testing import Scope
from wakeline_testing.running import ISSUER, Publisher, RunningService, published

from .cases import box, completed, configured, judge, lease

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]

DEMANDING = ConsensusPolicy(min_agreement=0.9)


def labels(asset: str, *places: float, round: int = 1) -> list[LabelCompleted]:
    return [
        completed(asset, box("1", x), slot=slot, round=round, person=f"p-{slot}")
        for slot, x in enumerate(places)
    ]


def corners(annotation: Annotation) -> tuple[float, ...]:
    assert isinstance(annotation.geometry, Box)
    return annotation.geometry.corners


async def events_of(scope: Scope) -> list[Event]:
    return [envelope.event() for envelope in await published(scope, "review")]


async def reviewing(review: RunningService, scope: Scope, *events: Event) -> None:
    await Publisher(scope).publish(*events)
    await review.settled()


async def test_labels_that_agree_count_as_one_fused_label(
    scope: Scope, review: RunningService
) -> None:
    companion = completed("a", slot=3, counts=False, arm="control")
    await reviewing(
        review, scope, configured(share=0, n_labels=3), *labels("a", 10, 11, 12), companion
    )
    (event,) = await events_of(scope)
    assert isinstance(event, LabelAccepted)
    assert event.label_id == "task-a.1.1"  # agrees best with the others
    assert event.merged_from == ("task-a.0.1", "task-a.1.1", "task-a.2.1")
    assert event.annotations.items is not None
    (fused,) = event.annotations.items
    assert corners(fused) == pytest.approx((11, 10, 31, 30))
    assert event.verdict == "unreviewed"
    assert event.people_agreement is not None
    assert 0.8 < event.people_agreement < 0.95


async def test_the_best_label_counts_as_it_is_where_that_is_wanted(
    scope: Scope, review: RunningService
) -> None:
    best = ConsensusPolicy(method="best")
    await reviewing(
        review, scope, configured(share=0, n_labels=3, consensus=best), *labels("a", 10, 11, 70)
    )
    (event,) = await events_of(scope)
    assert isinstance(event, LabelAccepted)
    assert event.label_id in ("task-a.0.1", "task-a.1.1")
    assert event.annotations.items is not None
    assert corners(event.annotations.items[0]) == (
        (10, 10, 30, 30) if event.label_id == "task-a.0.1" else (11, 10, 31, 30)
    )


async def test_what_an_image_shows_is_decided_by_who_was_right_before(
    scope: Scope, review: RunningService
) -> None:
    def said(asset: str, *classes: str) -> list[LabelCompleted]:
        return [
            completed(
                asset,
                Annotation(id="c", class_name=name, geometry=Classification()),
                slot=slot,
                person=f"p-{slot}",
                round=1,
            )
            for slot, name in enumerate(classes)
        ]

    project = configured(
        share=0,
        n_labels=3,
        consensus=ConsensusPolicy(weigh_people=True),
        ontology=Ontology(
            classes=tuple(ClassDefinition(name=n, kinds=("classification",)) for n in ("a", "b"))
        ),
    )
    await reviewing(review, scope, project, *said("t", "a", "b", "b"))
    (event,) = await events_of(scope)
    assert isinstance(event, LabelAccepted)
    assert event.annotations.items is not None
    assert [one.class_name for one in event.annotations.items] == ["b"]
    assert await review.database["reviews"].count_documents({"state": "merged"}) == 3
    reader = review.stores.open(None)
    cast = await reader.reviews.votes("harbour/find", 100)  # type: ignore[attr-defined]
    assert sorted(vote.said for vote in cast) == ["a", "b", "b"]


async def test_people_who_disagree_are_laid_before_an_expert_side_by_side(
    scope: Scope, review: RunningService
) -> None:
    project = configured(share=0, n_labels=2, consensus=DEMANDING)
    await reviewing(review, scope, project, *labels("a", 10, 15))
    leased = await lease(review)
    assert leased["reasons"] == ["low-agreement"]
    assert [one["label_id"] for one in leased["labels"]] == ["task-a.0.1", "task-a.1.1"]
    assert leased["people_agreement"] == pytest.approx(0.6)
    assert leased["annotations"][0]["geometry"]["corners"] == [12.5, 10, 32.5, 30]
    client = review.client("reviewer", person_id="p-other", team_id="experts")
    wanted = {"project": "harbour", "stage": "find"}
    assert (await client.post("/v1/reviews/leases", json=wanted)).status_code == 404
    answer = await judge(review, leased, verdict="accept")
    assert answer.status_code == 200, answer.text
    await review.settled()
    (event,) = await events_of(scope)
    assert isinstance(event, LabelAccepted)
    assert (event.verdict, event.reasons) == ("accepted", ("low-agreement",))
    assert event.merged_from == ("task-a.0.1", "task-a.1.1")


async def test_a_shape_that_one_of_two_drew_is_left_to_an_expert_and_not_dropped(
    scope: Scope, review: RunningService
) -> None:
    both, one = box("1", 10), box("2", 70)
    first = completed("a", both, one, slot=0, round=1, person="p-0")
    second = completed("a", both, slot=1, round=1, person="p-1")
    await reviewing(review, scope, configured(share=0, n_labels=2), first, second)
    leased = await lease(review)
    assert leased["reasons"] == ["low-agreement"]
    assert len(leased["annotations"]) == 1
    assert [len(label["annotations"]) for label in leased["labels"]] == [2, 1]
    assert await events_of(scope) == []


@pytest.mark.parametrize("how", ["pick", "correct"])
async def test_an_expert_may_pick_one_or_draw_what_counts(
    scope: Scope, review: RunningService, how: str
) -> None:
    await reviewing(review, scope, configured(n_labels=2), *labels("a", 10, 15))
    leased = await lease(review)
    said: dict[str, Any] = {"verdict": "accept", "labels": ["task-a.1.1"]}
    if how == "correct":
        said = {"verdict": "correct", "annotations": [box("x", 40).model_dump(mode="json")]}
    assert (await judge(review, leased, **said)).status_code == 200
    await review.settled()
    (event,) = await events_of(scope)
    assert isinstance(event, LabelAccepted)
    assert event.annotations.items is not None
    if how == "pick":
        assert (event.label_id, corners(event.annotations.items[0])[0]) == ("task-a.1.1", 15)
        assert event.agreement == 1.0
    else:
        assert corners(event.annotations.items[0])[0] == 40
        assert event.verdict == "corrected"
    later = review.client("reviewer", person_id="p-expert", team_id="experts")
    other = "task-a.0.1" if event.label_id == "task-a.1.1" else "task-a.1.1"
    refused = await later.post(f"/v1/reviews/{other}/corrections", json={"annotations": []})
    assert (refused.status_code, refused.json()["code"]) == (409, "not-accepted")


async def test_a_rejection_opens_a_round_for_the_rejected_slot_alone(
    scope: Scope, review: RunningService
) -> None:
    publisher = Publisher(scope)
    await publisher.publish(configured(n_labels=2), *labels("a", 10, 70))
    await review.settled()
    leased = await lease(review)
    unnamed = await judge(review, leased, verdict="reject")
    assert (unnamed.status_code, unnamed.json()["code"]) == (422, "invalid-verdict")
    strange = await judge(review, leased, verdict="reject", labels=["task-b.0.1"])
    assert "task-a.0.1" in strange.json()["detail"]
    answer = await judge(review, leased, verdict="reject", labels=["task-a.1.1"])
    assert answer.status_code == 200, answer.text
    await publisher.publish(completed("a", box("1", 11), slot=1, round=2, person="p-1"))
    await review.settled()
    again = await lease(review)
    assert [one["label_id"] for one in again["labels"]] == ["task-a.0.1", "task-a.1.2"]
    last = await judge(review, again, verdict="reject", labels=["task-a.1.2"])
    assert (last.status_code, last.json()["code"]) == (409, "last-round")
    assert (await judge(review, again, verdict="accept")).status_code == 200
    await review.settled()
    events = await events_of(scope)
    assert [type(event) for event in events] == [LabelRejected, LabelAccepted]
    assert isinstance(events[0], LabelRejected)
    assert events[0].label_id == "task-a.1.1"
    assert isinstance(events[1], LabelAccepted)
    assert events[1].merged_from == ("task-a.0.1", "task-a.1.2")


async def test_who_made_one_of_the_labels_does_not_judge_them(
    scope: Scope, review: RunningService
) -> None:
    await reviewing(review, scope, configured(n_labels=2), *labels("a", 10, 15))
    wanted = {"project": "harbour", "stage": "find"}
    for person in ("p-0", "p-1"):
        client = review.client("reviewer", person_id=person, team_id="experts")
        assert (await client.post("/v1/reviews/leases", json=wanted)).status_code == 404


async def test_a_new_persons_first_labels_and_a_watched_class_are_reviewed(
    scope: Scope, review: RunningService
) -> None:
    project = configured(share=0, new_person_labels=1, classes=["wreck"])
    await reviewing(
        review,
        scope,
        project,
        completed("a", box("1", 10)),
        completed("b", box("1", 10)),
        completed("c", box("1", 10, class_name="wreck")),
    )
    client = review.client("manager")
    rows = (await client.get("/v1/reviews", params={"project": "harbour"})).json()["items"]
    reasons = {row["asset_id"]: row["reasons"] for row in rows}
    first = [asset for asset, why in reasons.items() if "new-person" in why]
    assert len(first) == 1
    assert "class" in reasons["tiles:c"]
    accepted = [event for event in await events_of(scope) if isinstance(event, LabelAccepted)]
    assert {event.asset_id for event in accepted} == {a for a, why in reasons.items() if not why}


async def test_what_only_measures_does_not_make_a_person_known(
    scope: Scope, review: RunningService
) -> None:
    await reviewing(
        review,
        scope,
        configured(share=0, new_person_labels=1),
        completed("a", box("1", 10), arm="benchmark", counts=False),  # as of an exam
        completed("b", box("1", 10), arm="control", counts=False, slot=1),
    )
    await reviewing(review, scope, completed("c", box("1", 10)))
    client = review.client("manager")
    rows = (await client.get("/v1/reviews", params={"project": "harbour"})).json()["items"]
    assert {row["asset_id"]: row["reasons"] for row in rows if row["state"] != "measured"} == {
        "tiles:c": ["new-person"]
    }


async def test_the_labels_of_a_cancelled_task_never_count(
    scope: Scope, review: RunningService
) -> None:
    publisher = Publisher(scope)
    made = labels("a", 10, 11)
    await publisher.publish(configured(n_labels=2), *made)
    await review.settled()
    leased = await lease(review)
    first = made[0]
    closed = TaskClosed(
        asset_id=first.asset_id,
        stage_id=first.stage_id,
        task_id=first.task_id,
        reason="cancelled",
    )
    await publisher.publish(closed)
    await review.settled()
    late = await judge(review, leased, verdict="accept")
    assert (late.status_code, late.json()["code"]) == (409, "lease-expired")
    await publisher.publish(*labels("a", 10, 11, round=2))  # it was reopened
    await review.settled()
    again = await lease(review)
    assert [one["label_id"] for one in again["labels"]] == ["task-a.0.2", "task-a.1.2"]
    assert (await judge(review, again, verdict="accept")).status_code == 200
    await review.settled()
    assert len(await events_of(scope)) == 1


async def test_two_experts_at_once_let_one_label_count(
    scope: Scope, review: RunningService
) -> None:
    await reviewing(review, scope, configured(n_labels=2), *labels("a", 10, 15))
    leased = await lease(review)
    said = [{"verdict": "accept"}, {"verdict": "reject", "labels": ["task-a.0.1"]}] * 4
    answers = await asyncio.gather(*(judge(review, leased, **each) for each in said))
    # Whichever is first, the same one again is told again.
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [409] * 4
    await review.settled()
    assert len(await events_of(scope)) == 1


async def test_a_killed_service_lets_one_label_count_for_every_task(
    scope: Scope, review: RunningService
) -> None:
    # The test's own service stands still while a second process is killed again and again.
    review.process.stop.set()
    tasks = [f"t{number}" for number in range(30)]
    await Publisher(scope).publish(
        configured(share=0, n_labels=3),
        *(
            label
            for slot in range(3)
            for name in tasks
            for label in [labels(name, 10, 11, 12)[slot]]
        ),
    )
    env = _environment(review)
    wanted = {"state": "merged"}
    rows = review.database["reviews"]
    for share in (0.3, 0.6, 1.0):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "wakeline_review", "all", env=env, stdout=-3, stderr=-3
        )
        try:
            while await rows.count_documents(wanted) < share * len(tasks) * 3:
                assert process.returncode is None
                await asyncio.sleep(0.01)
            if share == 1.0:
                while await review.database["outbox"].count_documents({}):
                    await asyncio.sleep(0.05)
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()
    # What died between its sending and its note of it is sent again: the same event, twice at most.
    envelopes = {envelope.id: envelope for envelope in await published(scope, "review")}
    events = [envelope.event() for envelope in envelopes.values()]
    accepted = [event for event in events if isinstance(event, LabelAccepted)]
    assert sorted(event.task_id for event in accepted) == sorted(f"task-{name}" for name in tasks)
    assert all(len(event.merged_from) == 3 for event in accepted)


def _environment(review: RunningService) -> dict[str, str]:
    settings = review.process.runtime.service.settings
    own = {
        "MONGO__DSN": settings.mongo.dsn.get_secret_value(),
        "MONGO__DATABASE": settings.mongo.database,
        "KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "KAFKA__TOPIC_PREFIX": settings.kafka.topic_prefix,
        "BLOBS__ENDPOINT": settings.blobs.endpoint,
        "BLOBS__ACCESS_KEY": settings.blobs.access_key,
        "BLOBS__SECRET_KEY": settings.blobs.secret_key.get_secret_value(),
        "BLOBS__PREFIX": settings.blobs.prefix,
        "AUTH__ISSUER": ISSUER.issuer,
        "AUTH__JWKS": orjson.dumps(ISSUER.jwks()).decode(),
        "HTTP__PORT": "0",
    }
    return os.environ | {f"WAKELINE_REVIEW_{name}": value for name, value in own.items()}
