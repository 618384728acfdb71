"""Shapes as the API speaks them; pixels of the upright image, x to the right, y downwards."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Attributes = dict[str, str | bool | int | float]


class Wire(BaseModel):
    """Plain data; fields that a newer platform adds are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Box(Wire):
    """``corners`` are ``(x_min, y_min, x_max, y_max)``."""

    kind: Literal["box"] = "box"
    corners: tuple[float, float, float, float]


class Polygon(Wire):
    """``parts`` are rings ``(x1, y1, x2, y2, ...)``."""

    kind: Literal["polygon"] = "polygon"
    parts: tuple[tuple[float, ...], ...]


class Mask(Wire):
    """COCO's compressed run-length encoding over the whole image; ``size`` is (height, width)."""

    kind: Literal["mask"] = "mask"
    size: tuple[int, int]
    counts: str


class Point(Wire):
    """``at`` is ``(x, y)``."""

    kind: Literal["point"] = "point"
    at: tuple[float, float]


class Polyline(Wire):
    """``points`` are ``(x1, y1, x2, y2, ...)``."""

    kind: Literal["polyline"] = "polyline"
    points: tuple[float, ...]


class Classification(Wire):
    """A statement about the whole image."""

    kind: Literal["classification"] = "classification"


Geometry = Annotated[
    Box | Polygon | Mask | Point | Polyline | Classification, Field(discriminator="kind")
]


class Shape(Wire):
    """A geometry with its class and attributes."""

    id: str
    class_name: str
    geometry: Geometry
    attributes: Attributes = {}


class Predicted(Shape):
    """A shape that a predictor proposes, with its confidence in [0, 1]."""

    score: float = 1.0


class Annotation(Shape):
    """A shape that a person drew, confirmed or edited."""

    origin: Literal["drawn", "confirmed", "edited"] = "drawn"
    """Counted by the server: what a client says here is ignored."""
    prelabel_id: str | None = None
    """The shape of the pre-label that this one came from."""
