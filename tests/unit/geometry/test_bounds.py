import re

import numpy as np
import pytest
from hypothesis import given

from wakeline_geometry import masks
from wakeline_geometry.bounds import area, clip, extent, focused, problems_of
from wakeline_geometry.shapes import (
    Box,
    Classification,
    Geometry,
    Mask,
    Point,
    Polygon,
    Polyline,
    Shape,
)

from .strategies import SIZE, bitmap_masks, boxes, geometries, polygons, rectangle

HEIGHT, WIDTH = SIZE


def problems(geometry: Geometry) -> list[str]:
    return problems_of(Shape(id="s", class_name="hull", geometry=geometry), WIDTH, HEIGHT)


@pytest.mark.parametrize(
    "geometry",
    [
        Box(corners=(0, 0, WIDTH, HEIGHT)),
        Box(corners=(-1, -1, WIDTH + 1, HEIGHT + 1)),
        Polygon(parts=((0, 0, 5, 0, 5, 5), (10, 10, 15, 10, 15, 15))),
        rectangle(3, 3, 1, 1),
        Point(at=(0, HEIGHT)),
        Polyline(points=(0, 0, 0, 5)),
        Classification(),
    ],
)
def test_a_sound_shape_has_no_problems(geometry: Geometry) -> None:
    assert problems(geometry) == []


@pytest.mark.parametrize(
    ("geometry", "words"),
    [
        (Box(corners=(100, 0, 120, 9)), "lies outside the image of 32 x 24 pixels"),
        (Box(corners=(0, 0, 40, 9)), r"reaches out of the image .*x 0 to 40"),
        (Box(corners=(5, 5, 5.5, 6)), "smaller than one pixel"),
        (Polygon(parts=((0, -50, 5, -50, 5, -45),)), "lies outside"),
        (Polygon(parts=((0, -5, 5, 0, 5, 5),)), "reaches out"),
        (Polygon(parts=((5, 5, 9, 9, 5, 5),)), "covers no pixel"),
        (Polygon(parts=((0, 0, WIDTH, HEIGHT) * 400_000,)), "cannot be drawn: .*outline"),
        (rectangle(0, 0, 3, 3, (10, 20)), "mask of 20 x 10 pixels on an image of 32 x 24"),
        (rectangle(0, 0, 0, 0), "empty mask"),
        (Point(at=(-2, 5)), "lies outside"),
        (Polyline(points=(5, 5, 99, 5)), "reaches out"),
        (Polyline(points=(5, 5, 5, 5)), "has no length"),
    ],
)
def test_what_is_wrong_with_a_shape_is_said_in_words(geometry: Geometry, words: str) -> None:
    [problem] = problems(geometry)
    assert re.search(words, problem)


@given(bitmap_masks)
def test_extent_and_area_of_a_mask_are_those_of_its_pixels(mask: Mask) -> None:
    bitmap = masks.decode(mask)
    assert area(mask) == bitmap.sum()
    place = extent(mask)
    if place is not None:
        left, top, right, bottom = (int(value) for value in place)
        assert bitmap[top:bottom, left:right].sum() == bitmap.sum()


def test_area_of_a_polygon_is_the_sum_of_its_parts() -> None:
    parts = ((0, 0, 4, 0, 4, 3), (10.5, 10, 10.5, 12, 12.5, 12, 12.5, 10))
    assert area(Polygon(parts=parts)) == pytest.approx(6 + 4)


@given(geometries)
def test_what_is_clipped_lies_on_the_image_or_was_kept_whole(geometry: Geometry) -> None:
    clipped = clip(geometry, WIDTH, HEIGHT)
    if isinstance(clipped, Box | Polygon):
        x_min, y_min, x_max, y_max = extent(clipped) or (0, 0, 0, 0)
        assert 0 <= x_min <= x_max <= WIDTH
        assert 0 <= y_min <= y_max <= HEIGHT
    elif clipped is not None:
        assert clipped == geometry


@given(boxes())
def test_clipping_a_box_keeps_its_pixels(box: Box) -> None:
    clipped = clip(box, WIDTH, HEIGHT)
    before = masks.area(masks.rasterise(box, SIZE))
    assert before == (masks.area(masks.rasterise(clipped, SIZE)) if clipped else 0)


@given(polygons)
def test_clipping_twice_is_clipping_once(polygon: Polygon) -> None:
    once = clip(polygon, WIDTH, HEIGHT)
    if once is not None:
        assert clip(once, WIDTH, HEIGHT) == once


@given(boxes())
def test_a_box_and_its_polygon_are_clipped_alike(box: Box) -> None:
    x_min, y_min, x_max, y_max = np.add(box.corners, [-8, -8, 8, 8])
    around = Box(corners=(x_min, y_min, x_max, y_max))
    ring = Polygon(parts=((x_min, y_min, x_max, y_min, x_max, y_max, x_min, y_max),))
    as_box, as_ring = clip(around, WIDTH, HEIGHT), clip(ring, WIDTH, HEIGHT)
    assert as_box is not None
    assert as_ring is not None
    assert area(as_ring) == pytest.approx(area(as_box))
    assert extent(as_ring) == pytest.approx(extent(as_box))


@pytest.mark.parametrize(
    "geometry",
    [
        Box(corners=(-9, -9, -1, -1)),
        Polygon(parts=((-9, -9, -1, -9, -1, -1),)),
        Point(at=(-1, 5)),
        Polyline(points=(40, 0, 50, 0)),
    ],
)
def test_nothing_is_left_of_what_lies_outside(geometry: Geometry) -> None:
    assert clip(geometry, WIDTH, HEIGHT) is None


def test_in_focus_is_what_reaches_into_a_region_or_has_no_place() -> None:
    regions = [(0.0, 0.0, 4.0, 4.0), (20.0, 10.0, 24.0, 14.0)]
    geometries = {
        "inside": Box(corners=(1, 1, 3, 3)),
        "over the edge": rectangle(17, 12, 5, 3),
        "between": Box(corners=(8, 8, 12, 12)),
        "on the corner": Point(at=(4, 4)),
        "beside": Polyline(points=(25, 0, 25, 20)),
        "said of all": Classification(),
    }
    shapes = [Shape(id=name, class_name="hull", geometry=g) for name, g in geometries.items()]
    seen = [shape.id for shape in focused(shapes, regions)]
    assert seen == ["inside", "over the edge", "on the corner", "said of all"]
    assert focused(shapes, []) == tuple(shapes)
