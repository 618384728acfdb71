"""How alike two geometries are: intersection over union, and its stand-ins for points and lines."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from wakeline_geometry import masks
from wakeline_geometry.shapes import Box, Classification, Geometry, Mask, Point, Polygon, Polyline

Boxes = NDArray[np.float64]
"""Corners ``(x_min, y_min, x_max, y_max)`` in pixels, shape (N, 4)."""

Overlaps = NDArray[np.float64]
"""One number in [0, 1] for every pair, shape (N, M)."""

TOLERANCE = 5.0
"""Distance in pixels up to which two points, or two lines, count as the same place."""

_LINE_SAMPLES = 512
_LINE_VERTICES = 2_048  # a longer line is thinned out: it costs seconds, and nobody sees the rest
_LINE_CHUNK = 256


def box_iou(a: Boxes, b: Boxes) -> Overlaps:
    """Intersection over union of every pair of axis-aligned boxes.

    Boxes are ``(x_min, y_min, x_max, y_max)`` in continuous image pixels, so a box of zero
    width has zero area. Source: Everingham et al., "The PASCAL VOC Challenge", IJCV 88 (2010),
    section 4.2, without the inclusive "+1" pixel convention of its development kit.

    Parameters
    ----------
    a : float64, shape (N, 4)
    b : float64, shape (M, 4)

    Returns
    -------
    float64, shape (N, M), dimensionless in [0, 1]
        0 where both boxes are empty, so no division by zero reaches the caller.

    Raises
    ------
    ValueError
        If an input is not of shape (K, 4), or a box has ``max < min`` or is not finite.
    """
    intersection = _box_intersection(a, b)
    return _ratio(intersection, _box_area(a)[:, None] + _box_area(b)[None, :] - intersection)


def box_coverage(a: Boxes, b: Boxes) -> Overlaps:
    """The share of each box of ``a`` that each box of ``b`` covers: COCO's measure for crowds.

    Same inputs, output and errors as ``box_iou``.
    """
    intersection = _box_intersection(a, b)
    return _ratio(intersection, np.broadcast_to(_box_area(a)[:, None], intersection.shape))


def mask_iou(a: Sequence[Mask], b: Sequence[Mask], crowd: Sequence[bool] | None = None) -> Overlaps:
    """Intersection over union of every pair of masks, in pixels.

    Parameters
    ----------
    crowd
        For each mask of ``b``, whether its column holds the covered share of ``a`` instead.

    Returns
    -------
    float64, shape (N, M), dimensionless in [0, 1]
        0 where both masks are empty.

    Raises
    ------
    ValueError
        If the masks are not all of one size, or their counts are not sound.
    """
    if not a or not b:
        return np.zeros((len(a), len(b)))
    if len({mask.size for mask in (*a, *b)}) > 1:
        raise ValueError("masks of different image sizes cannot be compared")
    flags = [int(flag) for flag in crowd] if crowd is not None else [0] * len(b)
    left, right = ([masks.to_coco(mask) for mask in side] for side in (a, b))
    return np.asarray(coco_mask.iou(left, right, flags), dtype=np.float64).reshape(len(a), len(b))


def shape_iou(a: Geometry, b: Geometry, size: masks.Size, *, tolerance: float = TOLERANCE) -> float:
    """How alike two geometries of any kinds are on an image of this size; see ``pairwise_iou``."""
    return float(pairwise_iou([a], [b], size, tolerance=tolerance)[0, 0])


def pairwise_iou(
    a: Sequence[Geometry],
    b: Sequence[Geometry],
    size: masks.Size,
    *,
    crowd: Sequence[bool] | None = None,
    tolerance: float = TOLERANCE,
) -> Overlaps:
    """How alike every pair of geometries of two lists is, whatever their kinds.

    Two boxes are compared as they are; a box, polygon or mask with any other of these as pixels
    of the image. Two points are 1 within ``tolerance`` pixels, else 0. Two lines get the share
    of their lengths that lies within ``tolerance`` of the other. Two classifications are 1:
    whether their class is equal is the caller's question. Other kinds have nothing in common: 0,
    and so has what covers no pixel.

    Parameters
    ----------
    size
        ``(height, width)`` of the image in pixels.
    crowd
        For each of ``b``, whether its column holds the covered share of ``a`` instead of IoU.

    Returns
    -------
    float64, shape (N, M), dimensionless in [0, 1]

    Raises
    ------
    ValueError
        If a mask is of another size than the image, or its counts are not sound.
    """
    overlaps = np.zeros((len(a), len(b)))
    if not a or not b:
        return overlaps
    flags = np.asarray(crowd if crowd is not None else [False] * len(b), dtype=bool)
    _fill_areas(overlaps, a, b, size, flags)
    _fill_points(overlaps, a, b, tolerance)
    for i in _where(a, Polyline):
        for j in _where(b, Polyline):
            overlaps[i, j] = _line_likeness(_vertices(a[i]), _vertices(b[j]), tolerance)
    overlaps[np.ix_(_where(a, Classification), _where(b, Classification))] = 1.0
    return overlaps


def _fill_areas(
    overlaps: Overlaps,
    a: Sequence[Geometry],
    b: Sequence[Geometry],
    size: masks.Size,
    crowd: NDArray[np.bool_],
) -> None:
    boxes_a, boxes_b = _where(a, Box), _where(b, Box)
    if boxes_a and boxes_b:
        corners_a, corners_b = _corners(a), _corners(b)
        overlaps[np.ix_(boxes_a, boxes_b)] = np.where(
            crowd[boxes_b], box_coverage(corners_a, corners_b), box_iou(corners_a, corners_b)
        )
    outlined_a, outlined_b = _where(a, Polygon, Mask), _where(b, Polygon, Mask)
    # Boxes are drawn only where there is something outlined to compare them with.
    for rows, columns in ((outlined_a + boxes_a, outlined_b), (outlined_a, boxes_b)):
        if rows and columns:
            overlaps[np.ix_(rows, columns)] = mask_iou(
                [masks.rasterise(a[i], size) for i in rows],
                [masks.rasterise(b[j], size) for j in columns],
                crowd[columns].tolist(),
            )


def _box_intersection(a: Boxes, b: Boxes) -> Overlaps:
    for boxes in (a, b):
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"boxes must have shape (K, 4), got {boxes.shape}")
        if not np.isfinite(boxes).all() or (boxes[:, 2:] < boxes[:, :2]).any():
            raise ValueError("every box needs finite corners with max >= min")
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.asarray(np.clip(high - low, 0.0, None).prod(axis=2))


def _box_area(boxes: Boxes) -> NDArray[np.float64]:
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))


def _ratio(part: Overlaps, whole: Overlaps) -> Overlaps:
    ratio = np.zeros_like(part)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def _where(geometries: Iterable[Geometry], *kinds: type) -> list[int]:
    return [i for i, geometry in enumerate(geometries) if isinstance(geometry, kinds)]


def _corners(geometries: Iterable[Geometry]) -> Boxes:
    return np.array([g.corners for g in geometries if isinstance(g, Box)], dtype=np.float64)


def _fill_points(
    overlaps: Overlaps, a: Sequence[Geometry], b: Sequence[Geometry], tolerance: float
) -> None:
    rows, columns = _where(a, Point), _where(b, Point)
    if rows and columns:
        at_a, at_b = (np.array([g.at for g in side if isinstance(g, Point)]) for side in (a, b))
        distances = np.hypot(*np.moveaxis(at_a[:, None] - at_b[None, :], 2, 0))
        overlaps[np.ix_(rows, columns)] = distances <= tolerance


def _vertices(geometry: Geometry) -> NDArray[np.float64]:
    flat = geometry.points if isinstance(geometry, Polyline) else ()
    return np.asarray(flat, dtype=np.float64).reshape(-1, 2)


def _line_likeness(a: NDArray[np.float64], b: NDArray[np.float64], tolerance: float) -> float:
    """The share of both lines' length that lies within a buffer around the other.

    Source: Goodchild and Hunter, "A simple positional accuracy measure for linear features",
    IJGIS 11 (1997), taken both ways and weighted by length.
    """
    if (a.min(axis=0) - tolerance > b.max(axis=0)).any():
        return 0.0
    if (b.min(axis=0) - tolerance > a.max(axis=0)).any():
        return 0.0
    near = [_share_near(a, b, tolerance), _share_near(b, a, tolerance)]
    lengths = [_length(a), _length(b)]
    return float(np.average(near, weights=lengths if sum(lengths) > 0 else None))


def _length(points: NDArray[np.float64]) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def _share_near(line: NDArray[np.float64], other: NDArray[np.float64], tolerance: float) -> float:
    """The share of a line's length within ``tolerance`` of another, from evenly spaced samples."""
    samples = _resampled(line, _LINE_SAMPLES)
    if len(other) > _LINE_VERTICES:
        other = _resampled(other, _LINE_VERTICES)
    nearest = np.full(_LINE_SAMPLES, np.inf)
    for first in range(0, len(other) - 1, _LINE_CHUNK):  # bounds the memory of a long line
        part = other[first : first + _LINE_CHUNK + 1]
        start, direction = part[:-1], np.diff(part, axis=0)
        squared = (direction**2).sum(axis=1)
        offset = samples[:, None] - start
        along = (offset * direction).sum(axis=2) / np.where(squared > 0, squared, 1.0)
        away = offset - np.clip(along, 0.0, 1.0)[..., None] * direction
        nearest = np.minimum(nearest, np.sqrt((away**2).sum(axis=2)).min(axis=1))
    return float((nearest <= tolerance).mean())


def _resampled(line: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """This many points along a line, at even distances, both ends among them."""
    steps = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))))
    at = np.linspace(0.0, steps[-1], count)
    return np.stack([np.interp(at, steps, line[:, axis]) for axis in (0, 1)], axis=1)
