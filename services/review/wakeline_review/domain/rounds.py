"""The labels that several people make of one task, and when they are all there."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wakeline_review.domain.records import Review

WAITING = frozenset({"gathered", "settled"})
"""``settled``: as releases before this one called a label that waits for the others."""


DECIDED = frozenset({"merged", "rejected", "measured", "cancelled"})


class Comparison(NamedTuple):
    """How alike the labels of a task are."""

    agreements: Mapping[str, float]
    """Label id -> its mean agreement with the others, in [0, 1]."""
    mean: float
    """Mean agreement of every two of them, in [0, 1]."""
    best: str
    """The label that agrees best with the others."""
    undecided: int = 0
    """Objects that as many of the people drew as did not, so that no majority speaks of them."""


def current(reviews: Sequence[Review]) -> list[Review]:
    """The latest label of every slot of a task whose label counts, by slot."""
    latest: dict[int, Review] = {}
    for review in reviews:
        label = review.label
        if not label.counts:
            continue
        before = latest.get(label.slot)
        if before is None or before.label.round < label.round:
            latest[label.slot] = review
    return [latest[slot] for slot in sorted(latest)]


def gathered(reviews: Sequence[Review]) -> list[Review]:
    """The labels of a task that wait for each other."""
    return [review for review in current(reviews) if review.state in WAITING]


def complete(reviews: Sequence[Review]) -> bool:
    """Whether all labels that a task wants are there and wait to be compared."""
    found = current(reviews)
    return bool(found) and len(gathered(reviews)) == len(found) >= found[-1].n_labels


def comparison(agreements: Mapping[tuple[str, str], float], labels: Sequence[str]) -> Comparison:
    """What the agreements of every two labels say of each and of all.

    Parameters
    ----------
    agreements : of every pair of labels, in either order, each in [0, 1]
    labels : at least two, in any order
    """
    pairs = {frozenset(pair): value for pair, value in agreements.items()}
    means = {
        one: sum(pairs[frozenset((one, other))] for other in labels if other != one)
        / (len(labels) - 1)
        for one in labels
    }
    best = min(means, key=lambda label: (-means[label], label))
    return Comparison(means, sum(pairs.values()) / len(pairs), best)
