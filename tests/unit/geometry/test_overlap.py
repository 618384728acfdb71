import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from wakeline_geometry import masks
from wakeline_geometry.matching import greedy, optimal
from wakeline_geometry.overlap import (
    box_coverage,
    box_iou,
    mask_iou,
    pairwise_iou,
    shape_iou,
)
from wakeline_geometry.shapes import (
    Box,
    Classification,
    Geometry,
    Mask,
    Point,
    Polygon,
    Polyline,
)

from .strategies import (
    SIZE,
    bitmap_masks,
    boxes,
    geometries,
    polylines,
    rectangle,
)

box_lists = st.lists(boxes().map(lambda box: box.corners), max_size=5).map(
    lambda corners: np.array(corners, dtype=np.float64).reshape(-1, 4)
)
overlap_tables = st.tuples(st.integers(0, 5), st.integers(0, 5)).flatmap(
    lambda shape: st.lists(
        st.floats(0, 1), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]
    ).map(lambda flat: np.array(flat, dtype=np.float64).reshape(shape))
)


@given(box_lists, box_lists)
def test_box_iou_is_symmetric_and_bounded(a: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    iou = box_iou(a, b)
    assert iou.shape == (len(a), len(b))
    assert ((iou >= 0) & (iou <= 1 + 1e-12)).all()
    np.testing.assert_allclose(iou, box_iou(b, a).T)
    np.testing.assert_allclose(np.diag(box_iou(a, a)), 1)


def test_box_iou_of_known_boxes() -> None:
    a = np.array([[0.0, 0.0, 2.0, 2.0]])
    b = np.array([[1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0], [0.0, 0.0, 0.0, 2.0]])
    np.testing.assert_allclose(box_iou(a, b), [[1 / 3, 0, 0]])
    np.testing.assert_allclose(box_coverage(a, b), [[1 / 2, 0, 0]])


def test_two_empty_boxes_have_no_overlap_and_no_warning() -> None:
    empty = np.zeros((1, 4))
    assert box_iou(empty, empty).item() == 0


@pytest.mark.parametrize(
    "bad", [np.zeros(4), np.zeros((2, 5)), np.array([[2.0, 0, 1, 1]]), np.full((1, 4), np.nan)]
)
def test_boxes_that_are_none_are_refused(bad: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="box"):
        box_iou(bad, np.zeros((1, 4)))


@given(st.lists(bitmap_masks, max_size=3), st.lists(bitmap_masks, max_size=3), st.data())
def test_mask_iou_is_that_of_the_bitmaps(a: list[Mask], b: list[Mask], data: st.DataObject) -> None:
    crowd = data.draw(st.lists(st.booleans(), min_size=len(b), max_size=len(b)))
    iou = mask_iou(a, b, crowd)
    for i, left in enumerate(masks.decode(mask) for mask in a):
        for j, right in enumerate(masks.decode(mask) for mask in b):
            whole = left.sum() if crowd[j] else (left | right).sum()
            expected = (left & right).sum() / whole if whole else 0
            assert iou[i, j] == pytest.approx(expected)


def test_masks_with_empty_runs_are_compared_right() -> None:
    split = Mask(size=(1, 10), counts="20035")  # runs 2, 0, 0, 3, 5: as pycocotools never writes
    plain = masks.from_runs([2, 3, 5], (1, 10))
    assert mask_iou([split], [split, plain]).tolist() == [[1, 1]]


def test_masks_of_different_images_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="different image sizes"):
        mask_iou([rectangle(0, 0, 2, 2)], [rectangle(0, 0, 2, 2, (9, 9))])


@settings(max_examples=60)
@given(st.lists(geometries, max_size=5), st.lists(geometries, max_size=5))
def test_likeness_of_any_two_geometries_is_symmetric_and_bounded(
    a: list[Geometry], b: list[Geometry]
) -> None:
    likeness = pairwise_iou(a, b, SIZE)
    assert ((likeness >= 0) & (likeness <= 1 + 1e-12)).all()
    np.testing.assert_allclose(likeness, pairwise_iou(b, a, SIZE).T, atol=1e-12)


@settings(max_examples=60)
@given(st.lists(geometries, max_size=5), st.lists(geometries, max_size=5))
def test_a_list_is_compared_like_its_pairs(a: list[Geometry], b: list[Geometry]) -> None:
    likeness = pairwise_iou(a, b, SIZE)
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            assert likeness[i, j] == shape_iou(left, right, SIZE)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (Box(corners=(0, 0, 10, 10)), rectangle(0, 0, 10, 10), 1.0),
        (Box(corners=(0, 0, 10, 10)), rectangle(0, 0, 5, 10), 0.5),
        (Polygon(parts=((0, 0, 10, 0, 10, 10, 0, 10),)), rectangle(0, 0, 10, 10), 1.0),
        (Polygon(parts=((0, 0, 8, 0, 8, 8, 0, 8),)), Box(corners=(0, 0, 8, 16)), 0.5),
        (Point(at=(3, 4)), Point(at=(0, 0)), 1.0),
        (Point(at=(3, 4.1)), Point(at=(0, 0)), 0.0),
        (Classification(), Classification(), 1.0),
        (Point(at=(3, 4)), Box(corners=(0, 0, 9, 9)), 0.0),
        (Polyline(points=(0, 0, 20, 0)), Polyline(points=(20, 3, 0, 3)), 1.0),
        (Polyline(points=(0, 0, 20, 0)), Polyline(points=(0, 9, 20, 9)), 0.0),
        (Polyline(points=(4, 4, 4, 4)), Polyline(points=(5, 5, 5, 5)), 1.0),
    ],
)
def test_likeness_of_known_pairs(a: Geometry, b: Geometry, expected: float) -> None:
    assert shape_iou(a, b, SIZE) == pytest.approx(expected)


def test_lines_that_run_together_for_a_half_are_half_alike() -> None:
    straight = Polyline(points=(0, 0, 1000, 0))
    leaving = Polyline(points=(0, 0, 500, 0, 500, 500))
    assert shape_iou(straight, leaving, (2000, 2000)) == pytest.approx(0.5, abs=0.01)


@given(polylines)
def test_a_line_is_wholly_like_itself_backwards(line: Polyline) -> None:
    points = np.reshape(line.points, (-1, 2))[::-1].ravel()
    backwards = Polyline(points=tuple(points.tolist()))
    assert shape_iou(line, backwards, SIZE) == pytest.approx(1)


@given(overlap_tables, st.floats(0, 1))
def test_optimal_matching_is_one_to_one_and_loses_nothing(
    overlaps: NDArray[np.float64], least: float
) -> None:
    pairs = optimal(overlaps, min_iou=least)
    assert len({pair.left for pair in pairs}) == len({pair.right for pair in pairs}) == len(pairs)
    assert all(pair.iou == overlaps[pair.left, pair.right] >= least for pair in pairs)
    usable = np.where(overlaps >= least, overlaps, 0)
    most = usable[linear_sum_assignment(usable, maximize=True)].sum()
    assert sum(pair.iou for pair in pairs) == pytest.approx(most)


def test_an_empty_table_has_no_pairs() -> None:
    assert optimal(np.zeros((0, 3))) == optimal(np.zeros((3, 0))) == []


def test_greedy_prefers_an_object_to_a_crowd_and_takes_a_crowd_twice() -> None:
    overlaps = np.array([[0.6, 0.9], [0.0, 0.8], [0.7, 0.8]])
    found = greedy(overlaps, np.array([0.5]), np.array([False, True]))
    assert found.truth.tolist() == [[0, 1, 1]]
    assert found.ignored.tolist() == [[False, True, True]]
