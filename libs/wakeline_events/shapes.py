"""Shapes inside events: inline while they are small, a blob once they are not."""

from typing import Generic, TypeVar

from wakeline_events.base import BlobRef, Value
from wakeline_geometry.shapes import Annotation, Predicted, Shape

S = TypeVar("S", bound=Shape)

INLINE_BYTES = 64 * 1024
"""Geometry above this is stored as a blob, so that events stay small."""


class ShapeSet(Value, Generic[S]):
    """The shapes of one label or prediction: ``items``, or ``blob`` when they are too large."""

    count: int
    items: tuple[S, ...] | None = None
    blob: BlobRef | None = None


AnnotationSet = ShapeSet[Annotation]
PredictionSet = ShapeSet[Predicted]
