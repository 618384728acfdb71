"""From labels to the headline ratio and its interval."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_demo.effort import ASSUMED, Step, seconds
from wakeline_demo.figures import Labeled, compare, quality, sensitivity, shares

SECONDS = st.lists(st.floats(1, 1_000), min_size=1, max_size=30)


def test_unpaired_arms_are_compared_by_their_means() -> None:
    found = compare([*_labels("assisted", [10, 30]), *_labels("control", [60, 100], at=10)], 1)
    assert not found.paired
    assert (found.assisted, found.control) == (20, 80)
    assert found.ratio == pytest.approx(0.25)


def test_paired_arms_are_compared_on_the_assets_of_both() -> None:
    labels = [
        *_labels("assisted", [10, 30, 1_000]),  # the third asset has no control
        *_labels("control", [40, 60]),
    ]
    found = compare(labels, 1)
    assert found.paired
    assert (found.assisted, found.control) == (20, 50)
    assert found.ratio == pytest.approx(0.4)


def test_other_arms_do_not_count() -> None:
    labels = [*_labels("assisted", [10]), *_labels("control", [20], at=5)]
    assert compare(labels, 1) == compare([*labels, *_labels("holdout", [999], at=9)], 1)


@given(SECONDS, SECONDS, st.integers(0, 100))
def test_intervals_hold_the_mean_and_the_ratio(
    assisted: list[float], control: list[float], seed: int
) -> None:
    found = compare([*_labels("assisted", assisted), *_labels("control", control, at=100)], seed)
    assert found.ratio is not None
    for value, interval in (
        (found.assisted, found.assisted_ci),
        (found.control, found.control_ci),
        (found.ratio, found.ratio_ci),
    ):
        assert interval is not None
        assert value is not None
        assert interval[0] <= interval[1]
        # A percentile bootstrap need not hold the mean of a few wild values, but nearly does.
        spread = interval[1] - interval[0]
        assert interval[0] - spread - 1e-9 <= value <= interval[1] + spread + 1e-9


def test_an_interval_covers_the_true_ratio_about_as_often_as_it_says() -> None:
    random, covered = np.random.default_rng(1), 0
    for trial in range(200):
        assisted = random.gamma(20, 2.0, 40)  # mean 40
        control = random.gamma(20, 4.0, 40)  # mean 80
        interval = compare(
            [*_labels("assisted", assisted), *_labels("control", control, at=100)], trial
        ).ratio_ci
        assert interval is not None
        covered += interval[0] <= 0.5 <= interval[1]
    assert 0.89 <= covered / 200 <= 0.99


def test_pairs_make_the_interval_narrower_where_images_differ() -> None:
    random = np.random.default_rng(2)
    control = random.uniform(20, 400, 40)
    assisted = control * random.uniform(0.45, 0.55, 40)
    paired = compare([*_labels("assisted", assisted), *_labels("control", control)], 1)
    apart = compare([*_labels("assisted", assisted), *_labels("control", control, at=100)], 1)
    assert paired.ratio == pytest.approx(apart.ratio)
    assert _width(paired.ratio_ci) < _width(apart.ratio_ci) / 3


def test_the_same_seed_gives_the_same_interval() -> None:
    labels = [*_labels("assisted", [10, 20, 40]), *_labels("control", [50, 70, 60], at=5)]
    assert compare(labels, 3) == compare(labels, 3)


@pytest.mark.parametrize("arms", [(), ("assisted",), ("control",)])
def test_a_missing_arm_leaves_figures_out_instead_of_making_them_up(arms: tuple[str, ...]) -> None:
    found = compare([label for arm in arms for label in _labels(arm, [10, 20])], 1)
    assert found.ratio is None
    assert found.ratio_ci is None
    assert (found.assisted is None) == ("assisted" not in arms)
    assert (found.control_ci is None) == ("control" not in arms)


def test_shares_are_of_all_shapes_of_the_assisted_arm() -> None:
    labels = [
        _label("a", "assisted", 1, shares={"confirmed": 6, "edited": 2}),
        _label("b", "assisted", 1, shares={"drawn": 1, "removed": 1}),
        _label("c", "control", 1, shares={"drawn": 90}),
    ]
    assert shares(labels) == {"confirmed": 0.6, "edited": 0.2, "drawn": 0.1, "removed": 0.1}
    assert sum(shares([]).values()) == 0


def test_quality_is_compared_on_assets_of_both_arms_where_there_are_any() -> None:
    apart = [_label("a", "assisted", 1, quality=0.9), _label("b", "control", 1, quality=0.7)]
    assert quality(apart) == {"paired": False, "assisted": 0.9, "control": 0.7}
    paired = [*apart, _label("a", "control", 1, quality=0.8)]
    assert quality(paired) == {"paired": True, "assisted": 0.9, "control": 0.8}
    assert quality([]) == {"paired": False, "assisted": None, "control": None}


def test_sensitivity_charges_the_same_steps_by_other_constants() -> None:
    helped = (Step("open"), Step("confirm"), Step("edit", "mask", 0.8))
    alone = (Step("open"), Step("find"), Step("draw"), Step("find"), Step("draw"))
    labels = [
        _label("a", "assisted", seconds(helped), steps=helped),
        _label("b", "control", seconds(alone), steps=alone),
    ]
    found = sensitivity(labels, 1)
    usual = compare(labels, 1).ratio
    assert usual is not None
    assert set(found) == set(ASSUMED)
    half, double = found["verify"]
    assert half is not None
    assert double is not None
    assert half < usual < double
    half, double = found["find"]
    assert half is not None
    assert double is not None
    assert double < usual < half
    assert list(found["draw_point"]) == pytest.approx([usual, usual])


def _labels(arm: str, values: Iterable[float], at: int = 0) -> list[Labeled]:
    return [_label(f"asset-{at + n}", arm, float(value)) for n, value in enumerate(values)]


def _label(
    asset_id: str,
    arm: str,
    took: float,
    *,
    quality: float = 1.0,
    shares: dict[str, int] | None = None,
    steps: tuple[Step, ...] = (),
) -> Labeled:
    return Labeled(asset_id, arm, took, quality, shares or {}, steps)


def _width(interval: tuple[float, float] | None) -> float:
    assert interval is not None
    return interval[1] - interval[0]
