"""The plan follows the objects: their size, their number of classes, the size of the images."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_trainer.plan import CROP, MULTIPLE, ObjectFacts, plan

sides = st.floats(3, 2000)


def square(side: float, label: int = 0) -> ObjectFacts:
    return ObjectFacts(label=label, width=side, height=side, area=side**2, thickness=side)


@given(st.lists(sides, min_size=1, max_size=20), st.integers(16, 5000), st.integers(16, 5000))
@pytest.mark.parametrize("kind", ["instances", "boxes"])
def test_every_plan_can_be_run(kind, found: list[float], height: int, width: int) -> None:
    made = plan(kind, 1, [square(side) for side in found], [(height, width)])

    assert all(MULTIPLE <= side <= CROP and side % MULTIPLE == 0 for side in made.crop)
    assert made.tile % MULTIPLE == 0
    assert 0 < made.overlap < made.tile
    assert made.batch >= 2
    assert made.object_size > 0


def test_tiny_objects_are_never_shrunk() -> None:
    assert plan("instances", 1, [square(6)], [(320, 320)]).scale >= 1
    assert plan("boxes", 1, [square(8)], [(320, 320)]).scale >= 1


def test_large_objects_are_shrunk_until_an_outline_is_still_fine() -> None:
    made = plan("instances", 1, [square(100)], [(1000, 1000)])

    assert 5 <= 100 * made.scale <= 12


def test_a_class_of_small_objects_keeps_boxes_from_being_shrunk_too_far() -> None:
    large = [square(200)] * 50

    alone = plan("boxes", 2, large, [(1000, 1000)])
    beside = plan("boxes", 2, [*large, square(20, label=1)], [(1000, 1000)])

    assert alone.scale < beside.scale
    assert 20 * beside.scale >= 8


def test_a_rare_class_counts_more() -> None:
    made = plan("instances", 3, [square(40)] * 9 + [square(40, label=1)], [(500, 500)])

    assert made.class_weights == (1.0, 1.0, 3.0, 4.0)


def test_a_scale_that_somebody_chose_is_kept() -> None:
    assert plan("boxes", 1, [square(40)], [(500, 500)], scale=0.7).scale == 0.7


def test_nothing_to_learn_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one object"):
        plan("boxes", 1, [], [(500, 500)])
