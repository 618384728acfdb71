"""What the platform would refuse of a shape by its form, so that one does not spoil a batch."""

from collections import Counter
from collections.abc import Sequence
from math import isfinite

from wakeline_sdk import runs as rle
from wakeline_sdk.shapes import Box, Geometry, Mask, Point, Polygon, Polyline, Predicted, Shape

FARTHEST = 1e6
"""Largest absolute coordinate in pixels."""


def problem_of(shape: Shape) -> str | None:
    """What is wrong with a shape, as the rest of a sentence about it; None if nothing."""
    if not 1 <= len(shape.id) <= 64:
        return "needs an id of 1 to 64 characters"
    if not 1 <= len(shape.class_name) <= 200:
        return "needs a class name of 1 to 200 characters"
    if any(isinstance(value, float) and not isfinite(value) for value in shape.attributes.values()):
        return "has an attribute that is not a finite number"
    if isinstance(shape, Predicted) and not 0 <= shape.score <= 1:
        return f"has a score of {shape.score}, which is not in [0, 1]"
    if not all(abs(value) <= FARTHEST for value in _coordinates(shape.geometry)):
        return "has a coordinate that is no number of pixels"
    return _problem_of_geometry(shape.geometry)


def problems_of(shapes: Sequence[Shape]) -> list[str]:
    """What is wrong with the shapes of one image, a sentence each; [] if nothing."""
    counted = Counter(shape.id for shape in shapes)
    repeated = [f"{n} shapes have the id {name!r}" for name, n in counted.items() if n > 1]
    found = ((shape, problem_of(shape)) for shape in shapes)
    return repeated + [f"shape {shape.id!r} {problem}" for shape, problem in found if problem]


def _problem_of_geometry(geometry: Geometry) -> str | None:
    if isinstance(geometry, Box):
        x_min, y_min, x_max, y_max = geometry.corners
        if not (x_max > x_min and y_max > y_min):
            return "is a box without x_max > x_min and y_max > y_min"
    if isinstance(geometry, Polygon) and not (
        geometry.parts and all(len(part) >= 6 and len(part) % 2 == 0 for part in geometry.parts)
    ):
        return "is a polygon with a part of less than three points, x and y in turn"
    if isinstance(geometry, Polyline) and (len(geometry.points) < 4 or len(geometry.points) % 2):
        return "is a line of less than two points, x and y in turn"
    if isinstance(geometry, Mask):
        try:
            rle.parse(geometry.counts, geometry.size)
        except ValueError as error:
            return f"is a mask that cannot be read: {error}"
    return None


def _coordinates(geometry: Geometry) -> tuple[float, ...]:
    if isinstance(geometry, Box):
        return geometry.corners
    if isinstance(geometry, Polygon):
        return tuple(value for part in geometry.parts for value in part)
    if isinstance(geometry, Point):
        return geometry.at
    return geometry.points if isinstance(geometry, Polyline) else ()
