"""How people draw: a shape near the one they want, as close as their hands allow."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wakeline_geometry import masks
from wakeline_geometry.shapes import Box, Geometry, Mask, Polygon

BoolImage = NDArray[np.bool_]


def draw(wanted: Geometry, iou: float, random: np.random.Generator) -> Geometry:
    """The wanted geometry with boundary noise, so that it agrees at about ``iou``.

    Points, lines and classifications are drawn as wanted. Objects of a few pixels cannot be
    drawn at any IoU: the nearest possible one is taken.
    """
    match wanted:
        case Mask():
            return _draw_mask(wanted, iou, random)
        case Box():
            return _draw_box(wanted, iou, random)
        case Polygon():
            return _draw_polygon(wanted, iou, random)
        case _:
            return wanted


def kept_inside(drawn: Geometry, size: tuple[int, int]) -> Geometry:
    """What remains of a box or polygon on an image of ``size`` (height, width): tools clip."""
    limits = np.array([size[1], size[0]], dtype=np.float64)
    match drawn:
        case Box():
            points = np.clip(np.reshape(drawn.corners, (2, 2)), 0, limits)
            return Box(corners=tuple(points.ravel().tolist()))
        case Polygon():
            parts = [np.clip(np.reshape(part, (-1, 2)), 0, limits) for part in drawn.parts]
            return Polygon(parts=tuple(tuple(part.ravel().tolist()) for part in parts))
        case _:
            return drawn


def _draw_mask(wanted: Mask, iou: float, random: np.random.Generator) -> Mask:
    """Move the outline by a smooth random field, as far as the IoU says."""
    full = masks.decode(wanted)
    rows, columns = np.nonzero(full)
    margin = 6
    top, left = max(0, rows.min() - margin), max(0, columns.min() - margin)
    bottom = min(full.shape[0], rows.max() + margin + 1)
    right = min(full.shape[1], columns.max() + margin + 1)
    crop = full[top:bottom, left:right]
    inside = ndimage.distance_transform_edt(crop)
    outside = ndimage.distance_transform_edt(~crop)
    signed = np.where(crop, inside - 0.5, 0.5 - outside)
    noise = ndimage.gaussian_filter(random.standard_normal(crop.shape), sigma=3.0)
    noise /= max(float(np.abs(noise).max()), 1e-9)
    best, low, high = crop, 0.0, 12.0
    for _ in range(12):
        amount = (low + high) / 2
        moved = signed + amount * noise > 0
        agreement = _iou(moved, crop)
        if agreement >= iou:
            best, low = moved, amount
        else:
            high = amount
    if not best.any():
        best = crop
    drawn = np.zeros_like(full)
    drawn[top:bottom, left:right] = best
    return masks.encode(drawn)


def _draw_box(wanted: Box, iou: float, random: np.random.Generator) -> Box:
    """Move each side by a share of the box, so that the IoU comes out as asked."""
    x_min, y_min, x_max, y_max = wanted.corners
    width, height = x_max - x_min, y_max - y_min
    direction = random.uniform(-1, 1, size=4)
    low, high = 0.0, 0.5
    corners = wanted.corners
    for _ in range(20):
        amount = (low + high) / 2
        dx, dy = amount * width, amount * height
        moved = (
            x_min + direction[0] * dx,
            y_min + direction[1] * dy,
            x_max + direction[2] * dx,
            y_max + direction[3] * dy,
        )
        if _box_iou(moved, wanted.corners) >= iou:
            corners, low = moved, amount
        else:
            high = amount
    return Box(corners=corners)


def _draw_polygon(wanted: Polygon, iou: float, random: np.random.Generator) -> Polygon:
    """Move every vertex; a part of size ``s`` by about ``(1 - iou) / 4`` of ``s``."""
    parts = []
    for part in wanted.parts:
        points = np.asarray(part).reshape(-1, 2)
        size = float(np.ptp(points, axis=0).mean())
        points = points + random.normal(scale=(1 - iou) / 4 * size / 2, size=points.shape)
        parts.append(tuple(float(v) for v in points.ravel()))
    return Polygon(parts=tuple(parts))


def _iou(a: BoolImage, b: BoolImage) -> float:
    union = int(np.logical_or(a, b).sum())
    return int(np.logical_and(a, b).sum()) / union if union else 1.0


def _box_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    overlap = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return overlap / union if union > 0 else 0.0
