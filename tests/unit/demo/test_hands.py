"""How people draw: near what they want, as near as asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.demo.scenes import SIZE, disc, luck

from wakeline_demo import hands
from wakeline_demo.effort import RANGES
from wakeline_geometry import masks
from wakeline_geometry.overlap import pairwise_iou
from wakeline_geometry.shapes import Box, Classification, Geometry, Point, Polygon, Polyline


@pytest.mark.parametrize("iou", RANGES["mask_iou"])
def test_drawn_masks_agree_with_truth_as_well_as_the_person_draws(iou: float) -> None:
    wanted = disc(80, 60, 22)
    found = [_iou(hands.draw(wanted, iou, luck(seed)), wanted) for seed in range(20)]
    assert min(found) >= iou
    assert np.mean(found) == pytest.approx(iou, abs=0.02)


@given(st.floats(0.85, 0.95), st.floats(2, 60), st.floats(2, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_drawn_boxes_agree_with_truth_as_well_as_the_person_draws(
    iou: float, width: float, height: float, seed: int
) -> None:
    wanted = Box(corners=(50.0, 40.0, 50.0 + width, 40.0 + height))
    found = _iou(hands.draw(wanted, iou, luck(seed)), wanted)
    assert found >= iou - 1e-9
    assert found == pytest.approx(iou, abs=0.01) or found > iou


def test_drawn_polygons_keep_their_parts_and_stay_near() -> None:
    ring = tuple(float(v) for v in (50, 30, 110, 30, 110, 90, 50, 90))
    wanted = Polygon(parts=(ring, (10.0, 10.0, 25.0, 10.0, 20.0, 25.0)))
    drawn = hands.draw(wanted, 0.92, luck(1))
    assert isinstance(drawn, Polygon)
    assert [len(part) for part in drawn.parts] == [8, 6]
    assert drawn != wanted
    assert _iou(drawn, wanted) > 0.8


def test_what_has_no_outline_is_drawn_as_wanted() -> None:
    for wanted in (
        Point(at=(3.0, 4.0)),
        Polyline(points=(0.0, 0.0, 5.0, 5.0)),
        Classification(),
    ):
        assert hands.draw(wanted, 0.9, luck(1)) == wanted


@pytest.mark.parametrize("pixels", [1, 2, 4, 9])
def test_an_object_of_a_few_pixels_is_still_drawn(pixels: int) -> None:
    image = np.zeros(SIZE, bool)
    image.ravel()[SIZE[1] * 50 + 70 : SIZE[1] * 50 + 70 + pixels] = True
    drawn = hands.draw(masks.encode(image), 0.88, luck(1))
    assert _iou(drawn, masks.encode(image)) >= 0.88


def test_an_object_at_the_edge_of_the_image_is_drawn_within_it() -> None:
    wanted = disc(0, 0, 20)
    assert _iou(hands.draw(wanted, 0.9, luck(2)), wanted) >= 0.9


def _iou(one: Geometry, other: Geometry) -> float:
    return float(pairwise_iou([one], [other], SIZE)[0, 0])


@pytest.mark.parametrize(
    "wanted",
    [
        Box(corners=(0, 0, 30, 40)),
        Box(corners=(70, 50, 100, 60)),
        Polygon(parts=((0.0, 0.0, 30.0, 0.0, 30.0, 20.0),)),
    ],
)
def test_nobody_draws_beyond_the_image(wanted: Geometry) -> None:
    for seed in range(20):
        drawn = hands.kept_inside(hands.draw(wanted, 0.85, luck(seed)), (60, 100))
        assert isinstance(drawn, Box | Polygon)
        parts = [drawn.corners] if isinstance(drawn, Box) else drawn.parts
        points = np.concatenate([np.reshape(part, (-1, 2)) for part in parts])
        assert points.min() >= 0
        assert (points <= [100, 60]).all()
        if isinstance(wanted, Box):
            assert _iou(drawn, wanted) >= 0.85
