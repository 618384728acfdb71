"""The judge of trainings finds what it is there for."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest

from tests.cluster.trainings import Trainings, violations

FINE = Trainings(
    runs=[
        {"_id": "one", "state": "completed", "failure": None},
        {"_id": "two", "state": "failed", "failure": {"code": "trainer-failed"}},
    ],
    models=[{"run_id": "one"}],
    jobs=frozenset({"one", "two"}),
    trained=["one"],
    published=[("one.1", 1)],
)


def test_what_is_fine_is_fine() -> None:
    assert violations(FINE) == []


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda t: t.runs.pop(), "a Job was at work for run two, which is lost"),
        (lambda t: t.models.append({"run_id": "one"}), "run one (completed) made 2 models"),
        (lambda t: t.models.append({"run_id": "two"}), "run two (failed) made 1 models"),
        (lambda t: t.models.clear(), "run one (completed) made 0 models"),
        (lambda t: t.models.append({"run_id": "x"}), "run x is lost, and its model is there"),
        (
            lambda t: t.trained.append("one"),
            "run one (completed): model.trained was told 2 times",
        ),
        (lambda t: t.published.append(("one.2", 1)), "2 models were published as epoch 1"),
        (lambda t: t.runs[1].update(failure=None), "run two failed and does not say why"),
        (lambda t: t.runs[1].update(state="training"), "run two has not ended: it is training"),
    ],
)
def test_what_is_not_is_found_out(spoil: Callable[[Trainings], object], line: str) -> None:
    spoilt = deepcopy(FINE)
    spoil(spoilt)
    assert violations(spoilt) == [line]
