"""Effort and origins of a label, counted from what its lease had pinned; and who makes it again."""

from datetime import timedelta
from typing import get_args

import pytest
from tests.unit.labeling.cases import NOW

from wakeline_events.configuration import ReviewPolicy
from wakeline_events.labeling import Arm
from wakeline_geometry.shapes import Annotation, Box, Predicted
from wakeline_labeling.domain import arms, rework, submission
from wakeline_labeling.domain.errors import InvalidAnnotationsError, NoSuchLeaseError
from wakeline_labeling.domain.names import lease_name

SHOWN = tuple(
    Predicted(id=f"s{n}", class_name="weed", geometry=Box(corners=(n * 20, 0, n * 20 + 10, 10)))
    for n in range(3)
)


def annotation(name: str, x: float, source: str | None = None, kind: str = "weed") -> Annotation:
    corners = (x, 0.0, x + 10, 10.0)
    return Annotation(
        id=name,
        class_name=kind,
        geometry=Box(corners=corners),
        prelabel_id=source,
        origin="confirmed",
    )


def test_effort_says_what_became_of_each_shown_shape() -> None:
    submitted = [
        annotation("a", 0, "s0"),
        annotation("b", 25, "s1", kind="crop"),
        annotation("c", 70),
    ]
    measured = submission.measure(SHOWN, submitted, width=100, height=80)
    found = submission.effort_of(
        measured, leased_at=NOW, submitted_at=NOW + timedelta(seconds=9), client_seconds=None
    )
    assert (found.confirmed, found.edited, found.drawn, found.removed) == (1, 1, 1, 1)
    assert found.edit_ious == pytest.approx((1 / 3,))
    assert found.class_changes == 1
    assert found.lease_seconds == 9.0
    assert [a.origin for a in measured.annotations] == ["confirmed", "edited", "drawn"]


def test_what_was_not_shown_cannot_be_confirmed() -> None:
    with pytest.raises(InvalidAnnotationsError, match="was not shown"):
        submission.measure((), [annotation("a", 0, "s0")], width=100, height=80)
    twice = [annotation("a", 0, "s0"), annotation("b", 0, "s0")]
    with pytest.raises(InvalidAnnotationsError, match="only one annotation"):
        submission.measure(SHOWN, twice, width=100, height=80)


def test_a_digest_tells_equal_labels_from_others() -> None:
    one, two = annotation("a", 0), annotation("a", 1)
    assert submission.digest_of([one]) == submission.digest_of([one.model_copy()])
    assert submission.digest_of([one]) != submission.digest_of([two])


def test_only_the_assisted_arm_sees_prelabels() -> None:
    assert [arm for arm in get_args(Arm) if arms.is_shown(arm)] == ["assisted"]


def test_a_rejected_label_goes_to_its_labeler_and_in_the_end_to_an_expert() -> None:
    policy = ReviewPolicy()
    second = rework.reservation(policy, 2, "ann", experts=1, member=True)
    assert second is not None
    assert (second.person_id, second.expert) == ("ann", False)
    third = rework.reservation(policy, 3, "ann", experts=1, member=True)
    assert third is not None
    assert (third.person_id, third.expert) == (None, True)
    assert rework.kept_for(third) > rework.kept_for(second)


def test_nothing_is_kept_for_somebody_who_is_not_there() -> None:
    policy = ReviewPolicy()
    assert rework.reservation(policy, 2, "ann", experts=1, member=False) is None
    assert rework.reservation(policy, 3, "ann", experts=0, member=True) is None


@pytest.mark.parametrize("name", ["", "x", "t.1", "t.1.2.3", "t.x.1", "t.1.-2", "t..1"])
def test_what_is_no_lease_id_is_no_lease(name: str) -> None:
    with pytest.raises(NoSuchLeaseError):
        lease_name(name, "ann")
