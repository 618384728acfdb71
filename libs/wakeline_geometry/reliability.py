"""Which class an image has, when people disagree and some of them are right more often.

Source: Dawid and Skene, "Maximum likelihood estimation of observer error-rates using the EM
algorithm", Applied Statistics 28 (1979): each person has a matrix of how often they say one class
where another is true; these matrices and the true classes are estimated in turn.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ROUNDS = 100
CLOSE = 1e-6
"""So little the estimates change between two rounds before they are taken as final."""
PRIOR = 0.1
"""So many answers everybody is taken to have given of each kind before their first one: nobody is
ever held to be infallible."""


class Vote(NamedTuple):
    """What one person said of one item."""

    item: str
    person: str
    said: str


def estimate(votes: Sequence[Vote]) -> Mapping[str, Mapping[str, float]]:
    """How probable each class is for each item, by the votes of all people on all items.

    Without a second item by which to tell people apart this is the share of the votes. The order
    of the votes plays no part.

    Returns
    -------
    Item -> class -> probability in [0, 1]; those of an item sum to 1.
    """
    items, of_item = _numbered([vote.item for vote in votes])
    people, of_person = _numbered([vote.person for vote in votes])
    classes, of_class = _numbered([vote.said for vote in votes])
    if not votes:
        return {}
    truth = np.zeros((len(items), len(classes)))
    np.add.at(truth, (of_item, of_class), 1.0)
    truth /= truth.sum(axis=1, keepdims=True)
    for _ in range(ROUNDS):
        before = truth
        truth = _expected(truth, of_item, of_person, of_class, len(people))
        if np.abs(truth - before).max() < CLOSE:
            break
    return {
        item: {name: float(truth[i, c]) for c, name in enumerate(classes)}
        for i, item in enumerate(items)
    }


def likeliest(probabilities: Mapping[str, float]) -> str:
    """The most probable class; of equal ones the first by name, whatever rounding did to them."""
    return min(probabilities, key=lambda name: (-round(probabilities[name], 9), name))


def _expected(
    truth: NDArray[np.float64],
    of_item: NDArray[np.int64],
    of_person: NDArray[np.int64],
    of_class: NDArray[np.int64],
    people: int,
) -> NDArray[np.float64]:
    """One round: people's matrices from the items' classes, and these from those."""
    classes = truth.shape[1]
    errors = np.full((people, classes, classes), PRIOR)  # person, true class, class that is said
    np.add.at(errors.transpose(0, 2, 1), (of_person, of_class), truth[of_item])
    errors /= errors.sum(axis=2, keepdims=True)
    frequency = truth.mean(axis=0)
    logs = np.tile(np.log(np.maximum(frequency, 1e-12)), (len(truth), 1))
    np.add.at(logs, of_item, np.log(errors[of_person, :, of_class]))
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _numbered(names: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Names in order, and the place of each of the given ones among them."""
    known = sorted(set(names))
    places = {name: place for place, name in enumerate(known)}
    return known, np.array([places[name] for name in names], dtype=np.int64)
