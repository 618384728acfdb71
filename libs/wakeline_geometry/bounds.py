"""Where a geometry lies, how large it is, what is wrong with it on an image, and cutting it off."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wakeline_geometry import masks
from wakeline_geometry.shapes import (
    Box,
    Classification,
    Geometry,
    Mask,
    Point,
    Polygon,
    Region,
    Shape,
)

S = TypeVar("S", bound=Shape)

Extent = tuple[float, float, float, float]
"""``(x_min, y_min, x_max, y_max)`` in pixels."""

SLACK = 1.0
"""Pixels by which a shape may reach over the image's border: editors round, people overshoot."""

MIN_AREA = 1.0
"""Square pixels below which an area cannot have been meant."""


def extent(geometry: Geometry) -> Extent | None:
    """The tightest axis-aligned box around a geometry, in pixels; None if it has no place."""
    # By kind: a model's isinstance is dear where it is another class's.
    if geometry.kind == "classification":
        return None
    if geometry.kind == "box":
        return geometry.corners
    if geometry.kind == "mask":
        box = masks.bounding_box(geometry)
        return None if box is None else box.corners
    points = np.concatenate([_points(part) for part in _parts(geometry)])
    (x_min, y_min), (x_max, y_max) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return x_min, y_min, x_max, y_max


def in_focus(geometry: Geometry, regions: Sequence[Region]) -> bool:
    """Whether a geometry reaches into a focus region, or touches one.

    True of everything where there are no regions, and of what has no place.
    """
    if not regions or (place := extent(geometry)) is None:
        return True
    return any(
        place[0] <= region[2]
        and place[2] >= region[0]
        and place[1] <= region[3]
        and place[3] >= region[1]
        for region in regions
    )


def focused(shapes: Sequence[S], regions: Sequence[Region]) -> tuple[S, ...]:
    """The shapes that are in focus, in their order."""
    return tuple(shape for shape in shapes if in_focus(shape.geometry, regions))


def area(geometry: Geometry) -> float:
    """Area in square pixels, as COCO's files state it: 0 for points, lines and classifications.

    A polygon's is the sum over its parts by the shoelace formula, a mask's its pixels.
    """
    if isinstance(geometry, Box):
        x_min, y_min, x_max, y_max = geometry.corners
        return (x_max - x_min) * (y_max - y_min)
    if isinstance(geometry, Mask):
        return float(masks.area(geometry))
    if isinstance(geometry, Polygon):
        return sum(_ring_area(_points(part)) for part in geometry.parts)
    return 0.0


def problems_of(shape: Shape, width: int, height: int) -> list[str]:
    """What is wrong with a shape on an image of this size, in words for people; [] if nothing.

    A shape may reach over the border by ``SLACK`` pixels. Each sentence continues "the shape".

    Parameters
    ----------
    width, height
        Of the image in pixels.
    """
    geometry = shape.geometry
    if geometry.kind == "mask":
        return _problems_of_mask(geometry, width, height)
    place = extent(geometry)
    if place is None:
        return []
    x_min, y_min, x_max, y_max = place
    if x_max < 0 or y_max < 0 or x_min > width or y_min > height:
        return [f"lies outside the image of {width} x {height} pixels"]
    if x_min < -SLACK or y_min < -SLACK or x_max > width + SLACK or y_max > height + SLACK:
        reach = f"x {x_min:g} to {x_max:g}, y {y_min:g} to {y_max:g}"
        return [f"reaches out of the image of {width} x {height} pixels ({reach})"]
    if geometry.kind == "box":
        small = (x_max - x_min) * (y_max - y_min) < MIN_AREA
        return ["is smaller than one pixel"] if small else []
    if geometry.kind == "polygon":
        return _problems_of_polygon(geometry, width, height)
    if geometry.kind == "polyline" and (x_min, y_min) == (x_max, y_max):
        return ["has no length"]
    return []


def problems_of_attributes(shape: Shape) -> list[str]:
    """Which of a shape's attributes no document can hold; each sentence continues "the shape"."""
    problems = []
    for name, value in shape.attributes.items():
        if "\0" in name:
            problems.append(f"has an attribute {name!r}, whose name holds a zero character")
        if name == "$ref":  # BSON's readers take the whole object for a reference
            problems.append("has an attribute '$ref', which is a name that MongoDB keeps")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            problems.append(f"has {name!r} = {value}, which is more than 64 bits hold")
    return problems


def clip(geometry: Geometry, width: int, height: int) -> Geometry | None:
    """What of a geometry lies on the image; None if nothing does.

    Boxes and polygons are cut at the border. Points and lines are kept whole if they touch the
    image, as a line cut apart would be several.
    """
    place = extent(geometry)
    if place is None or isinstance(geometry, Mask):
        return geometry
    x_min, y_min, x_max, y_max = place
    inside = max(x_min, 0.0), max(y_min, 0.0), min(x_max, float(width)), min(y_max, float(height))
    if inside == place:
        return geometry
    if isinstance(geometry, Box):
        has_area = inside[0] < inside[2] and inside[1] < inside[3]
        return Box(corners=inside) if has_area else None
    if isinstance(geometry, Polygon):
        rings = [_clip_ring(_points(part), width, height) for part in geometry.parts]
        parts = tuple(tuple(ring.ravel().tolist()) for ring in rings if _ring_area(ring) > 0)
        return Polygon(parts=parts) if parts else None
    return geometry if inside[0] <= inside[2] and inside[1] <= inside[3] else None


def _problems_of_mask(mask: Mask, width: int, height: int) -> list[str]:
    if mask.size != (height, width):
        own = f"{mask.size[1]} x {mask.size[0]}"
        return [f"is a mask of {own} pixels on an image of {width} x {height}"]
    return [] if masks.area(mask) else ["is an empty mask"]


def _problems_of_polygon(polygon: Polygon, width: int, height: int) -> list[str]:
    try:
        drawn = masks.rasterise(polygon, (height, width))
    except ValueError as error:
        return [f"cannot be drawn: {error}"]
    return [] if masks.area(drawn) >= MIN_AREA else ["covers no pixel"]


def _parts(geometry: Geometry) -> Sequence[Sequence[float]]:
    if isinstance(geometry, Polygon):
        return geometry.parts
    if isinstance(geometry, Point):
        return [geometry.at]
    if isinstance(geometry, Box | Mask | Classification):
        raise TypeError(f"a {geometry.kind} has no list of points")
    return [geometry.points]


def _points(flat: Sequence[float]) -> NDArray[np.float64]:
    return np.asarray(flat, dtype=np.float64).reshape(-1, 2)


def _ring_area(points: NDArray[np.float64]) -> float:
    if len(points) < 3:
        return 0.0
    x, y = (points - points[0]).T  # near the origin, so that large coordinates cost no digits
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def _clip_ring(ring: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
    """Cut a ring at the four borders.

    Source: Sutherland and Hodgman, "Reentrant polygon clipping", CACM 17 (1974). A ring that
    leaves the image several times stays one ring, joined along the border.
    """
    for axis, border, sign in ((0, 0, 1), (0, width, -1), (1, 0, 1), (1, height, -1)):
        depth = sign * (ring[:, axis] - border)  # >= 0 inside
        before, earlier = np.roll(depth, 1), np.roll(ring, 1, axis=0)
        kept: list[NDArray[np.float64]] = []
        for i in range(len(ring)):
            if (depth[i] >= 0) != (before[i] >= 0):
                share = before[i] / (before[i] - depth[i])
                crossing = earlier[i] + share * (ring[i] - earlier[i])
                crossing[axis] = border
                kept.append(crossing)
            if depth[i] >= 0:
                kept.append(ring[i])
        ring = np.array(kept, dtype=np.float64).reshape(-1, 2)
    return ring
