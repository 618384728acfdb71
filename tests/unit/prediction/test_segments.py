import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wakeline_geometry.masks import bounding_box, decode, encode
from wakeline_geometry.shapes import Box, GeometryKind, Mask, Point, Polygon
from wakeline_prediction.predictors import segments
from wakeline_prediction.predictors.segments import Segments, mask_of, scored, shapes_of

from .scenes import discs


@given(
    hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9)),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_the_mask_of_a_part_is_that_of_the_whole_image(
    part: np.ndarray, top: int, left: int, below: int, right: int
) -> None:
    size = (top + part.shape[0] + below, left + part.shape[1] + right)
    whole = np.zeros(size, dtype=bool)
    whole[top : top + part.shape[0], left : left + part.shape[1]] = part
    assert mask_of(part, (top, left), size) == encode(whole)


@pytest.mark.parametrize(
    ("kind", "geometry"), [("mask", Mask), ("box", Box), ("polygon", Polygon), ("point", Point)]
)
def test_objects_become_shapes_of_the_kind_that_is_wanted(
    kind: GeometryKind, geometry: type
) -> None:
    labels = discs((40, 60), (15, 20, 6)).astype(np.int32)
    (shape,) = shapes_of(Segments(labels, np.array([0.0, 0.6])), "cell", kind)
    assert isinstance(shape.geometry, geometry)
    assert (shape.class_name, shape.score) == ("cell", 0.6)


def test_the_box_of_an_object_is_that_of_its_mask() -> None:
    labels = discs((40, 60), (15, 20, 6), (40, 9, 3)).astype(np.int32)
    found = Segments(labels, np.array([0.0, 0.6]))
    (box,), (mask,) = shapes_of(found, "cell", "box"), shapes_of(found, "cell", "mask")
    assert isinstance(mask.geometry, Mask)
    assert box.geometry == bounding_box(mask.geometry)
    np.testing.assert_array_equal(decode(mask.geometry), labels == 1)


def test_what_stands_out_clearly_scores_higher_than_what_is_there_by_a_hair() -> None:
    labels = np.zeros((20, 40), np.int32)
    labels[5:10, 5:10], labels[5:10, 20:25] = 1, 2
    values = np.full((20, 40), 0.1, np.float32)
    values[labels == 1], values[labels == 2] = 0.9, 0.42
    found = scored(labels, values, 0.4)
    assert found.scores[1] == 1
    assert found.scores[2] == 0


def test_shapes_come_best_first_and_not_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MAX_OBJECTS", 2)
    labels = np.arange(1, 5, dtype=np.int32).reshape(2, 2).repeat(4, 0).repeat(4, 1)
    shapes = shapes_of(Segments(labels, np.array([0, 0.2, 0.9, 0.5, 0.7])), "cell", "box")
    assert [shape.score for shape in shapes] == [0.9, 0.7]
    assert [shape.id for shape in shapes] == ["p0", "p1"]


def test_a_very_large_image_is_segmented_at_a_smaller_scale_and_labelled_in_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(segments, "WORKING_PIXELS", 5_000)
    seen: list[tuple[int, ...]] = []

    def segment(stack: segments.Stack) -> Segments:
        seen.append(stack.shape)
        return Segments((stack[..., 0] > 0.5).astype(np.int32), np.array([0.0, 1.0]))

    truth = discs((200, 300), (150, 100, 60))
    found = segments.at_working_scale(truth[..., None].astype(np.float32), segment)
    assert seen[0][0] * seen[0][1] <= 5_100
    assert found.labels.shape == truth.shape
    assert (found.labels.astype(bool) == truth).mean() > 0.97
