import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakeline_prediction.predictors import objects

from .scenes import discs, iou


@given(st.floats(4, 70), st.floats(0.8, 1.25))
@settings(max_examples=40, deadline=None)
def test_a_roundish_object_stays_whole_at_any_size(radius: float, stretch: float) -> None:
    canvas = np.zeros((200, 200), np.uint8)
    axes = (round(radius), round(radius * stretch))
    cv2.ellipse(canvas, (100, 100), axes, 30, 0, 360, 1, -1)
    assert objects.split(canvas.astype(bool)).max() == 1


@pytest.mark.parametrize("radius", [6, 12, 25, 60])
def test_two_discs_that_touch_are_cut_apart_where_they_touch(radius: int) -> None:
    size = (4 * radius, 6 * radius)
    one = (1.6 * radius, 2 * radius, radius)
    other = (3.3 * radius, 2 * radius, radius)
    labels = objects.split(discs(size, one, other))
    assert labels.max() == 2
    left = labels == labels[2 * radius, radius]
    assert iou(left, discs(size, one)) > 0.85


def test_a_chain_of_discs_becomes_as_many_objects() -> None:
    chain = [(20 + 17 * n, 30, 10) for n in range(8)]
    assert objects.split(discs((60, 180), *chain)).max() == 8


def test_every_pixel_of_the_foreground_belongs_to_one_object_and_no_other_does() -> None:
    random = np.random.default_rng(3)
    rough = cv2.GaussianBlur(random.random((240, 320)).astype(np.float32), (0, 0), 6)
    for share in (0.2, 0.5, 0.8):
        foreground = rough > np.quantile(rough, 1 - share)
        labels = objects.split(foreground)
        np.testing.assert_array_equal(labels > 0, foreground)
        assert set(np.unique(labels)) == set(range(int(labels.max()) + 1))


def test_specks_go_by_what_else_is_there_and_not_by_their_number() -> None:
    random = np.random.default_rng(0)
    plants = discs((200, 200), (50, 50, 20), (140, 140, 18))
    specks = np.zeros_like(plants)
    specks[random.integers(0, 200, 600), random.integers(0, 200, 600)] = True
    kept = objects.drop_specks(objects.components(plants | specks))
    assert kept.max() == 2
    small = discs((200, 200), *((20 * n + 10, 30, 3) for n in range(9)))
    assert objects.drop_specks(objects.components(small)).max() == 9


def test_holes_are_filled_up_to_a_size_and_bays_at_the_border_never() -> None:
    ring = discs((60, 60), (30, 30, 20)) & ~discs((60, 60), (30, 30, 6))
    ring[0:25, 30] = False
    bay = objects.fill_holes(ring)
    np.testing.assert_array_equal(bay, ring)
    ring[0:25, 30] = discs((60, 60), (30, 30, 20))[0:25, 30]
    ring &= ~discs((60, 60), (30, 30, 6))
    assert objects.fill_holes(ring)[30, 30]
    assert not objects.fill_holes(ring, largest=20)[30, 30]


def test_leaves_join_over_gaps_but_not_with_the_border() -> None:
    leaves = discs((40, 60), (15, 20, 6), (31, 20, 6))
    assert objects.components(leaves).max() == 2
    joined = objects.close_gaps(leaves, 4)
    assert objects.components(joined).max() == 1
    assert not joined[:, 0].any()


def test_an_empty_foreground_has_no_objects() -> None:
    nothing = np.zeros((10, 12), dtype=bool)
    assert objects.split(nothing).max() == 0
    assert objects.drop_specks(objects.components(nothing)).max() == 0
