"""What a rule found on an image, and how it becomes shapes with scores."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from wakeline_geometry.masks import from_runs
from wakeline_geometry.shapes import Box, Geometry, GeometryKind, Mask, Predicted
from wakeline_prediction.domain.mapping import converted
from wakeline_prediction.predictors.objects import Labels
from wakeline_prediction.predictors.thresholds import Plane

WORKING_PIXELS = 4_000_000
"""Larger images are segmented at a smaller scale: a rule gains nothing from more pixels."""
MAX_OBJECTS = 1_000
"""The best so many objects of an image are shown; nobody can correct more."""
MARGIN = 0.25
"""What counts as clearly inside: this share of the contrast above the threshold."""

Stack = NDArray[np.float32]
"""Image channels in [0, 1], shape (H, W, C)."""


@dataclass(frozen=True)
class Segments:
    """The objects of one image."""

    labels: Labels
    scores: NDArray[np.float64]
    """In [0, 1], one entry a label; the first, for the background, means nothing."""


def at_working_scale(stack: Stack, segment: Callable[[Stack], Segments]) -> Segments:
    """Segment a stack, at a smaller scale where it is very large; the labels are of full size."""
    height, width = stack.shape[:2]
    if height * width <= WORKING_PIXELS:
        return segment(stack)
    scale = (WORKING_PIXELS / (height * width)) ** 0.5
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    planes = [
        cv2.resize(np.ascontiguousarray(plane), size, interpolation=cv2.INTER_AREA)
        for plane in np.moveaxis(stack, 2, 0)
    ]
    found = segment(np.stack(planes, axis=2))
    labels = cv2.resize(found.labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return Segments(np.asarray(labels, np.int32), found.scores)


def scored(labels: Labels, values: Plane, threshold: float) -> Segments:
    """Score each object by the share of its pixels that are clearly above the threshold.

    "Clearly" is ``MARGIN`` of the contrast between all objects and the background, so the score
    is the share of the object that would stay if the threshold were set that much higher: 1 for
    what stands out, near 0 for what is there only by a hair. Like the stability score of
    Kirillov et al., "Segment Anything" (2023), with one threshold moved instead of two.
    """
    counts = np.bincount(labels.ravel())
    inside = labels > 0
    if not inside.any() or inside.all():
        return Segments(labels, np.full(counts.size, 0.5))
    contrast = float(values[inside].mean() - values[~inside].mean())
    clear = (values > threshold + MARGIN * max(0.0, contrast)).ravel()
    sure = np.bincount(labels.ravel(), weights=clear, minlength=counts.size)
    return Segments(labels, sure / np.maximum(counts, 1))


def shapes_of(segments: Segments, class_name: str, kind: GeometryKind) -> list[Predicted]:
    """The objects as shapes of one class and kind, best first, at most ``MAX_OBJECTS``."""
    height, width = segments.labels.shape
    places = find_objects(segments.labels)
    best = sorted(
        (number for number, where in enumerate(places, start=1) if where is not None),
        key=lambda number: -segments.scores[number],
    )
    shapes: list[Predicted] = []
    for number in best[:MAX_OBJECTS]:
        rows, columns = places[number - 1]
        geometry: Geometry | None
        if kind == "box":
            geometry = Box(corners=(columns.start, rows.start, columns.stop, rows.stop))
        else:
            part = segments.labels[rows, columns] == number
            mask = mask_of(part, (rows.start, columns.start), (height, width))
            geometry = converted(mask, kind)
        if geometry is not None:
            # Not validated once more: a mask is, as it is made, and that is what costs.
            shapes.append(
                Predicted.model_construct(
                    id=f"p{len(shapes)}",
                    class_name=class_name,
                    geometry=geometry,
                    attributes={},
                    score=float(segments.scores[number]),
                )
            )
    return shapes


def mask_of(part: NDArray[np.bool_], at: tuple[int, int], size: tuple[int, int]) -> Mask:
    """The mask of a small bitmap that lies at ``(row, column)`` of an image of ``size``.

    Costs what the bitmap has pixels, not what the image has.
    """
    height, width = size
    columns = np.zeros((part.shape[1], part.shape[0] + 2), dtype=np.int8)
    columns[:, 1:-1] = part.T
    edges = np.diff(columns, axis=1)
    column, start = np.nonzero(edges == 1)
    _, end = np.nonzero(edges == -1)
    first = (at[1] + column) * height + at[0]
    bounds = np.stack([first + start, first + end], axis=1).ravel()
    runs = np.diff(bounds, prepend=0, append=height * width)
    return from_runs(runs.astype(np.int64), size)
