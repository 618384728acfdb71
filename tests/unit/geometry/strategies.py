"""Hypothesis strategies for shapes on small images."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wakeline_geometry import masks
from wakeline_geometry.shapes import (
    Box,
    Classification,
    Geometry,
    Mask,
    Point,
    Polygon,
    Polyline,
    Predicted,
    Shape,
)

SIZE = (24, 32)
"""(height, width) of the image that shapes are drawn on."""
CLASSES = ("hull", "wake", "buoy")

coordinates = st.floats(-4, 40, allow_nan=False).map(lambda value: round(value, 3))
bitmaps = hnp.arrays(np.bool_, SIZE)
any_bitmaps = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40))


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x, y = draw(st.floats(0, 30)), draw(st.floats(0, 22))
    width, height = draw(st.floats(0.5, 20)), draw(st.floats(0.5, 20))
    return Box(corners=(x, y, x + width, y + height))


rings = st.lists(coordinates, min_size=3, max_size=8).flatmap(
    lambda xs: st.lists(coordinates, min_size=len(xs), max_size=len(xs)).map(
        lambda ys: tuple(value for point in zip(xs, ys, strict=True) for value in point)
    )
)
polygons = st.lists(rings, min_size=1, max_size=3).map(lambda parts: Polygon(parts=tuple(parts)))
bitmap_masks = bitmaps.map(masks.encode)
points = st.tuples(coordinates, coordinates).map(lambda at: Point(at=at))
polylines = rings.map(lambda ring: Polyline(points=ring))
geometries: st.SearchStrategy[Geometry] = st.one_of(
    boxes(), polygons, bitmap_masks, points, polylines, st.just(Classification())
)


@st.composite
def shapes(
    draw: st.DrawFn, kinds: st.SearchStrategy[Geometry] = geometries, max_size: int = 6
) -> list[Shape]:
    """A list of shapes with different ids."""
    drawn: Sequence[Geometry] = draw(st.lists(kinds, max_size=max_size))
    return [
        Shape(id=f"s{i}", class_name=draw(st.sampled_from(CLASSES)), geometry=geometry)
        for i, geometry in enumerate(drawn)
    ]


def predicted(shape: Shape, score: float) -> Predicted:
    return Predicted(**{**shape.model_dump(), "score": score})


def rectangle(x: int, y: int, width: int, height: int, size: tuple[int, int] = SIZE) -> Mask:
    bitmap = np.zeros(size, dtype=bool)
    bitmap[y : y + height, x : x + width] = True
    return masks.encode(bitmap)
