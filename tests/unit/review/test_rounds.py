"""When the labels of a task are all there, and how alike they are."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_review.domain import rounds
from wakeline_review.domain.records import Review

from .test_triage import label


def review(slot: int, state: str = "gathered", round: int = 1, n_labels: int = 2) -> Review:
    made = label(slot=slot, round=round, label_id=f"t.{slot}.{round}", n_labels=n_labels)
    fields: dict[str, Any] = {"label": made, "n_labels": n_labels, "state": state}
    return Review(**fields, opened_at=datetime(2026, 6, 1, tzinfo=UTC))


def test_a_task_is_complete_when_every_slot_has_its_label() -> None:
    assert not rounds.complete([])
    assert not rounds.complete([review(0)])
    assert rounds.complete([review(0), review(1)])
    assert not rounds.complete([review(0), review(1, "scoring")])


def test_a_rejected_slot_is_waited_for_until_its_next_round() -> None:
    sent_back = [review(0), review(1, "rejected")]
    assert not rounds.complete(sent_back)
    again = [*sent_back, review(1, round=2)]
    assert rounds.complete(again)
    assert [each.id for each in rounds.gathered(again)] == ["t.0.1", "t.1.2"]


def test_what_only_measures_is_no_part_of_it() -> None:
    companion = review(2).model_copy(update={"label": label(slot=2, counts=False)})
    assert len(rounds.current([review(0), review(1), companion])) == 2


@given(st.permutations(["a", "b", "c"]))
def test_the_label_closest_to_the_others_is_best_whatever_their_order(order: list[str]) -> None:
    pairs = {("a", "b"): 0.9, ("a", "c"): 0.2, ("b", "c"): 0.8}
    found = rounds.comparison(pairs, order)
    assert found.best == "b"
    assert found.mean == pytest.approx(1.9 / 3)
    assert found.agreements == pytest.approx({"a": 0.55, "b": 0.85, "c": 0.5})


def test_among_equals_the_lowest_id_is_best() -> None:
    assert rounds.comparison({("b", "a"): 1.0}, ["b", "a"]).best == "a"
