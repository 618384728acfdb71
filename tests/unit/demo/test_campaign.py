"""Whose turn a label belongs to."""

from types import SimpleNamespace
from typing import Any, cast

from wakeline_demo.campaign import Iteration, attribute
from wakeline_sdk.models import LabelRecord


def work(label_id: str) -> dict[str, Any]:
    return {"label_id": label_id, "seconds": 5.0, "quality": 1.0, "steps": []}


def record(label_id: str, asset_id: str, arm: str) -> LabelRecord:
    effort = SimpleNamespace(client_seconds=5.0, confirmed=1, edited=0, drawn=0, removed=0)
    asset = SimpleNamespace(asset_id=asset_id)
    named = SimpleNamespace(label_id=label_id, asset=asset, arm=arm, effort=effort)
    return cast(LabelRecord, named)


def test_the_other_half_of_a_pair_counts_in_the_turn_of_the_first() -> None:
    first = Iteration(n=1, predictor="rule", works=[work("a-assisted"), work("b-assisted")])
    second = Iteration(n=2, predictor="own", works=[work("a-control"), work("c-assisted")])
    records = [
        record("a-control", "a", "control"),
        record("a-assisted", "a", "assisted"),
        record("b-assisted", "b", "assisted"),
        record("c-assisted", "c", "assisted"),
        record("somebody-elses", "d", "assisted"),
    ]

    attribute([first, second], records)

    assert sorted((label.asset_id, label.arm) for label in first.labels) == [
        ("a", "assisted"),
        ("a", "control"),
        ("b", "assisted"),
    ]
    assert (first.images, second.images) == (2, 1)
