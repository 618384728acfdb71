"""The wire form of everything that can be drawn on an image.

All coordinates are continuous image pixels of the upright image (EXIF orientation applied):
x grows to the right, y downwards, the centre of the first pixel is (0.5, 0.5).
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, model_validator

from wakeline_geometry import rle

Coordinate = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
"""One coordinate in pixels; NaN, infinities and absurd values are refused at the door."""

Coordinates = Annotated[tuple[Coordinate, ...], FailFast()]
"""x and y in turn, in pixels. The first bad one is told: a list of all errors would take a hundred
times the memory of the text that they are in."""


Region = tuple[float, float, float, float]
"""A box ``(x_min, y_min, x_max, y_max)`` in pixels that a task is about: a focus region."""


class Wire(BaseModel):
    """Plain frozen data that ignores what a newer writer added."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Box(Wire):
    """An axis-aligned box."""

    kind: Literal["box"] = "box"
    corners: tuple[Coordinate, Coordinate, Coordinate, Coordinate]
    """``(x_min, y_min, x_max, y_max)`` in pixels."""

    @model_validator(mode="after")
    def _is_ordered(self) -> "Box":
        x_min, y_min, x_max, y_max = self.corners
        if not (x_max > x_min and y_max > y_min):
            raise ValueError("a box needs x_max > x_min and y_max > y_min")
        return self


class Polygon(Wire):
    """One object outlined by one or more closed rings (several when it is occluded)."""

    kind: Literal["polygon"] = "polygon"
    parts: Annotated[tuple[Coordinates, ...], FailFast(), Field(min_length=1, max_length=1_000)]
    """Each part is ``(x1, y1, x2, y2, ...)`` with at least three points, as in COCO."""

    @model_validator(mode="after")
    def _has_points(self) -> "Polygon":
        if any(len(part) < 6 or len(part) % 2 for part in self.parts):
            raise ValueError("a polygon part needs at least three points, x and y in turn")
        return self


class Mask(Wire):
    """One object as a bitmap of the whole image, in COCO's compressed run-length encoding."""

    kind: Literal["mask"] = "mask"
    size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
    """``(height, width)`` of the image in pixels."""
    counts: Annotated[str, Field(min_length=1)]
    """COCO's ASCII form of the run lengths, column by column, background first."""

    @model_validator(mode="after")
    def _fills_its_image(self) -> "Mask":
        rle.parse_counts(self.counts, *self.size)
        return self


class Point(Wire):
    """One position."""

    kind: Literal["point"] = "point"
    at: tuple[Coordinate, Coordinate]
    """``(x, y)`` in pixels."""


class Polyline(Wire):
    """An open line."""

    kind: Literal["polyline"] = "polyline"
    points: Annotated[Coordinates, Field(min_length=4, max_length=200_000)]
    """``(x1, y1, x2, y2, ...)`` in pixels."""

    @model_validator(mode="after")
    def _is_paired(self) -> "Polyline":
        if len(self.points) % 2:
            raise ValueError("a polyline needs x and y in turn")
        return self


class Classification(Wire):
    """A statement about the whole image: no geometry at all."""

    kind: Literal["classification"] = "classification"


Geometry = Annotated[
    Box | Polygon | Mask | Point | Polyline | Classification, Field(discriminator="kind")
]
GeometryKind = Literal["box", "polygon", "mask", "point", "polyline", "classification"]
AttributeValue = str | bool | int | Annotated[float, Field(allow_inf_nan=False)]


class Shape(Wire):
    """A geometry with its class and attributes: what people draw and models predict."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    """Unique within its label or prediction."""
    class_name: Annotated[str, Field(min_length=1, max_length=200)]
    geometry: Geometry
    attributes: Annotated[dict[str, AttributeValue], FailFast()] = Field(default_factory=dict)


class Predicted(Shape):
    """A shape that a predictor proposed."""

    score: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The predictor's confidence."""


Origin = Literal["drawn", "confirmed", "edited"]


class Annotation(Shape):
    """A shape that a person drew, confirmed or edited."""

    origin: Origin = "drawn"
    prelabel_id: str | None = None
    """The shape of the pinned pre-label that this one came from."""
