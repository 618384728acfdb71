"""What simulated people cost, as the effort model states it."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_demo.effort import (
    ASSUMED,
    COST_PER_HOUR,
    MODEL,
    RANGES,
    Constants,
    Drawn,
    Errors,
    Kind,
    Step,
    errors_of,
    halved_and_doubled,
    seconds,
)

DRAWN = ("box", "mask", "point", "classification")


@pytest.mark.parametrize(
    ("kind", "drawn", "expected"),
    [
        ("open", "mask", 3.0),
        ("find", "mask", 2.0),
        ("draw", "box", 25.5),
        ("draw", "mask", 80.0),
        ("draw", "point", 2.0),
        ("draw", "classification", 3.0),
        ("confirm", "mask", 1.8),
        ("change-class", "mask", 3.8),
        ("remove", "mask", 3.3),
    ],
)
def test_a_step_takes_what_the_table_of_effort_1_says(
    kind: Kind, drawn: Drawn, expected: float
) -> None:
    assert MODEL == "effort-1"
    assert seconds([Step(kind, drawn)]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("iou", "share"), [(1.0, 0.1), (0.9, 0.25), (0.75, 0.475), (0.5, 0.85), (0.4, 1.0), (0.0, 1.0)]
)
def test_an_edit_takes_a_share_of_drawing_that_grows_with_what_is_wrong(
    iou: float, share: float
) -> None:
    assert seconds([Step("edit", "mask", iou)]) == pytest.approx(1.8 + 80.0 * share)
    assert seconds([Step("edit", "box", iou)]) == pytest.approx(1.8 + 25.5 * share)


def test_a_mask_edit_at_usual_ious_takes_between_20_and_40_seconds() -> None:
    for iou in (0.75, 0.8, 0.85, 0.9):
        assert 20 <= seconds([Step("edit", "mask", iou)]) <= 40


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(DRAWN))
def test_a_closer_pre_label_never_takes_longer_to_edit(
    one: float, other: float, drawn: Drawn
) -> None:
    far, near = sorted((one, other))
    assert seconds([Step("edit", drawn, near)]) <= seconds([Step("edit", drawn, far)])


@given(st.floats(0, 1), st.sampled_from(DRAWN))
def test_an_edit_takes_at_least_a_look_and_at_most_a_look_and_a_drawing(
    iou: float, drawn: Drawn
) -> None:
    took = seconds([Step("edit", drawn, iou)])
    assert 1.8 < took <= 1.8 + Constants().draw(drawn) + 1e-9


def test_the_seconds_of_an_image_are_the_sum_of_its_steps() -> None:
    steps = [Step("open"), Step("confirm"), Step("remove"), Step("find"), Step("draw", "mask")]
    assert seconds(steps) == pytest.approx(3 + 1.8 + 3.3 + 2 + 80)
    assert seconds([]) == 0


@pytest.mark.parametrize("name", ASSUMED)
def test_halving_and_doubling_moves_one_constant_and_no_other(name: str) -> None:
    usual = Constants()
    for changed, factor in zip(halved_and_doubled(name), (0.5, 2.0), strict=True):
        for field in fields(Constants):
            expected = getattr(usual, field.name) * (factor if field.name == name else 1)
            assert getattr(changed, field.name) == pytest.approx(expected)


def test_measured_constants_are_no_assumptions() -> None:
    names = {field.name for field in fields(Constants)}
    assert names - set(ASSUMED) == {"draw_box", "draw_mask"}
    with pytest.raises(ValueError, match="draw_mask is not an assumed constant"):
        halved_and_doubled("draw_mask")


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=5, max_size=5))
def test_everybodys_errors_lie_in_the_ranges(draws: list[float]) -> None:
    errors = errors_of(dict(zip(RANGES, draws, strict=True)), expert=False)
    for field in fields(Errors):
        low, high = RANGES[field.name]
        assert low <= getattr(errors, field.name) <= high


def test_experts_err_as_little_as_the_ranges_allow() -> None:
    errors = errors_of(dict.fromkeys(RANGES, 0.7), expert=True)
    assert errors == Errors(miss=0.01, confuse=0.01, mask_iou=0.95, box_iou=0.95, anchor=0.02)


def test_the_ranges_and_rates_are_those_of_effort_1() -> None:
    assert RANGES == {
        "miss": (0.01, 0.05),
        "confuse": (0.01, 0.05),
        "mask_iou": (0.88, 0.95),
        "box_iou": (0.85, 0.95),
        "anchor": (0.02, 0.10),
    }
    assert COST_PER_HOUR == {"labeler": 12.0, "expert": 60.0}
