"""Which labels an expert sees, and why."""

from datetime import UTC, datetime
from typing import Any

import pytest

from wakeline_events.base import Asset
from wakeline_events.configuration import ReviewPolicy
from wakeline_events.labeling import Effort, LabelCompleted, PinnedPrelabel
from wakeline_events.shapes import AnnotationSet
from wakeline_review.domain import triage
from wakeline_review.domain.records import Standing

NOBODY_NEW = Standing(stage_id="harbour/find", person_id="p", labels=100)


def label(number: int = 0, **changes: Any) -> LabelCompleted:
    asset = Asset(
        asset_id="tiles:a",
        dataset_id="tiles",
        digest="a",
        width=9,
        height=9,
        group="a",
        image="tiles/a",
    )
    fields: dict[str, Any] = {
        "asset_id": "tiles:a",
        "label_id": f"task-{number}.0.1",
        "project_id": "harbour",
        "stage_id": "harbour/find",
        "task_id": f"task-{number}",
        "slot": 0,
        "round": 1,
        "asset": asset,
        "arm": "assisted",
        "counts": True,
        "p_control": 0.1,
        "p_selected": 1.0,
        "prelabel": None,
        "annotations": AnnotationSet(count=0, items=()),
        "effort": effort(),
        "person_id": "p",
        "team_id": None,
        "lease_id": "l",
        "ontology_version": 1,
        "submitted_at": datetime(2026, 6, 1, tzinfo=UTC),
    }
    return LabelCompleted(**{**fields, **changes})


def effort(confirmed: int = 0, drawn: int = 0, removed: int = 0, *ious: float) -> Effort:
    return Effort(
        confirmed=confirmed,
        edited=len(ious),
        drawn=drawn,
        removed=removed,
        edit_ious=ious,
        lease_seconds=1,
    )


def reasons(policy: ReviewPolicy, made: LabelCompleted, *classes: str) -> tuple[str, ...]:
    return triage.reasons(policy, made, classes)


def test_every_label_is_reviewed_at_share_one_and_none_at_share_zero() -> None:
    labels = [label(n) for n in range(200)]
    assert all(reasons(ReviewPolicy(share=1), each) == ("share",) for each in labels)
    assert not any(reasons(ReviewPolicy(share=0), each) for each in labels)


def test_the_share_of_reviewed_labels_is_the_policys() -> None:
    seen = sum(bool(reasons(ReviewPolicy(share=0.3), label(n))) for n in range(4_000))
    assert 0.27 < seen / 4_000 < 0.33


def test_the_labels_of_one_task_share_one_draw() -> None:
    for number in range(50):
        both = [label(number, slot=slot, label_id=f"t.{slot}.1", n_labels=2) for slot in (0, 1)]
        assert len({reasons(ReviewPolicy(share=0.5), each) for each in both}) == 1


def test_a_benchmark_label_is_scored_and_not_reviewed() -> None:
    assert reasons(ReviewPolicy(share=1), label(arm="benchmark")) == ()


def test_a_class_that_is_always_reviewed_is() -> None:
    policy = ReviewPolicy(share=0, classes=("mine",))
    assert reasons(policy, label(), "ship", "mine") == ("class",)
    assert reasons(policy, label(), "ship") == ()
    blob = AnnotationSet(count=9_000)
    assert triage.must_be_read(policy, label(annotations=blob))
    assert not triage.must_be_read(ReviewPolicy(), label(annotations=blob))


def test_a_label_far_from_the_prelabel_that_was_shown_is_reviewed() -> None:
    policy = ReviewPolicy(share=0, min_prelabel_agreement=0.5)
    pin = {"prediction_id": "x", "predictor": "own", "predictor_version": "1", "serving_epoch": 1}
    shown, hidden = (PinnedPrelabel(**pin, shown=shown) for shown in (True, False))
    thrown_away = effort(0, 3, 3)
    assert reasons(policy, label(prelabel=shown, effort=thrown_away)) == ("low-prelabel-agreement",)
    assert reasons(policy, label(prelabel=hidden, effort=thrown_away)) == ()
    assert reasons(policy, label(prelabel=shown, effort=effort(2, 1))) == ()


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (effort(), 1.0),
        (effort(4), 1.0),
        (effort(1, 1), 0.5),
        (effort(1, 0, 3), 0.25),
        (effort(1, 0, 0, 0.5), 0.75),
    ],
)
def test_what_was_kept_of_a_prelabel_is_scored_like_an_agreement(
    made: Effort, expected: float
) -> None:
    assert triage.kept(made) == pytest.approx(expected)


def test_the_first_labels_of_a_new_person_are_reviewed() -> None:
    policy = ReviewPolicy(share=0, new_person_labels=2)
    for labels, expected in ((0, ("new-person",)), (1, ("new-person",)), (2, ())):
        standing = NOBODY_NEW.model_copy(update={"labels": labels})
        assert triage.of_person(policy, standing) == expected


def test_who_does_badly_on_benchmarks_is_reviewed() -> None:
    policy = ReviewPolicy(share=0, min_benchmark_score=0.6)
    for scores, expected in (
        ((), ()),
        ((0.9, 0.5), ()),
        ((0.9, 0.1), ("low-benchmark-score",)),
    ):
        standing = NOBODY_NEW.model_copy(update={"scores": scores})
        assert triage.of_person(policy, standing) == expected


def test_a_holdout_task_wants_one_label_whatever_its_stage_wants() -> None:
    assert triage.labels_of_task(label(arm="holdout"), 3) == 1
    assert triage.labels_of_task(label(), 3) == 3
    assert triage.labels_of_task(label(n_labels=2), 3) == 2
