"""Which labels an expert sees, and which of several counts."""

from hypothesis import given
from hypothesis import strategies as st

from wakeline_events.configuration import ReviewPolicy
from wakeline_review.domain.triage import best_of, needs_review


def test_every_label_is_reviewed_at_share_one_and_none_at_share_zero() -> None:
    labels = [f"task.0.{n}" for n in range(200)]
    assert all(needs_review(ReviewPolicy(share=1), label, "assisted") for label in labels)
    assert not any(needs_review(ReviewPolicy(share=0), label, "assisted") for label in labels)


def test_the_share_of_reviewed_labels_is_the_policys() -> None:
    labels = [f"task-{n}.0.1" for n in range(4_000)]
    seen = sum(needs_review(ReviewPolicy(share=0.3), label, "control") for label in labels)
    assert 0.27 < seen / len(labels) < 0.33


def test_a_benchmark_label_is_scored_and_not_reviewed() -> None:
    assert not needs_review(ReviewPolicy(share=1), "task.0.1", "benchmark")


@given(st.permutations(["a", "b", "c"]))
def test_the_label_closest_to_the_others_wins_whatever_their_order(order: list[str]) -> None:
    agreements = {"a": [0.9, 0.2], "b": [0.9, 0.8], "c": [0.2, 0.8]}
    assert best_of({label: agreements[label] for label in order}) == "b"


def test_among_equals_the_lowest_id_wins() -> None:
    assert best_of({"b": [1.0], "a": [1.0]}) == "a"
