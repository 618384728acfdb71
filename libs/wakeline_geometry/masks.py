"""Masks: bitmaps to COCO run lengths and back, and polygons and boxes drawn as masks.

A size is always ``(height, width)`` in pixels. Nothing here believes a mask from outside: its
counts are read and checked in ``rle`` before pycocotools sees them.
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from wakeline_geometry import rle
from wakeline_geometry.shapes import Box, Geometry, Mask, Polygon

Size = tuple[int, int]
"""``(height, width)`` of an image in pixels."""

Bitmap = NDArray[np.bool_]
"""A mask as pixels, shape (H, W)."""

MAX_OUTLINE = 2e6
"""Longest outline of a polygon in pixels that is drawn: 30 times around the largest image.
pycocotools keeps five points a pixel, which is 100 MB for the longest."""


class CocoRle(TypedDict):
    """What pycocotools calls an RLE."""

    size: list[int]
    counts: bytes


def encode(bitmap: Bitmap) -> Mask:
    """The mask of a bitmap.

    Parameters
    ----------
    bitmap : bool, shape (H, W)

    Raises
    ------
    ValueError
        If it is not two-dimensional, not boolean, empty, or above ``rle.MAX_PIXELS``.
    """
    if bitmap.ndim != 2 or bitmap.dtype != np.bool_:
        raise ValueError(f"a bitmap is bool of shape (H, W), not {bitmap.dtype} {bitmap.shape}")
    rle.check_size(*bitmap.shape)
    return from_coco(coco_mask.encode(np.asfortranarray(bitmap, dtype=np.uint8)))


def decode(mask: Mask) -> Bitmap:
    """The bitmap of a mask.

    Returns
    -------
    bool, shape (H, W)

    Raises
    ------
    ValueError
        If its counts are not COCO's encoding of exactly H x W pixels, or the size is absurd.
    """
    height, width = mask.size
    runs = runs_of(mask)
    flat = np.repeat(np.arange(runs.size) % 2 == 1, runs)
    return flat.reshape((height, width), order="F")


def runs_of(mask: Mask) -> rle.Runs:
    """The run lengths of a mask, canonical: two masks are the same raster if these are equal.

    Returns
    -------
    int64, shape (K,), pixels, background first
    """
    return rle.canonical(rle.parse_counts(mask.counts, *mask.size))


def from_runs(runs: Sequence[int] | rle.Runs, size: Size) -> Mask:
    """The mask of COCO's uncompressed form, a list of run lengths.

    Raises
    ------
    ValueError
        If the runs do not fill an image of this size exactly.
    """
    height, width = size
    checked = rle.canonical(rle.check_runs(runs, height, width))
    uncompressed = {"size": [height, width], "counts": checked.tolist()}
    return from_coco(coco_mask.frPyObjects(uncompressed, height, width))


def to_coco(mask: Mask) -> CocoRle:
    """The mask as pycocotools takes it, safe to hand over.

    Raises
    ------
    ValueError
        If its counts are not COCO's encoding of its size.
    """
    runs = rle.parse_counts(mask.counts, *mask.size)
    if not runs[1:].all():
        mask = from_runs(runs, mask.size)
    return {"size": list(mask.size), "counts": mask.counts.encode("ascii")}


def from_coco(coco: CocoRle) -> Mask:
    """The mask of an RLE that pycocotools made."""
    height, width = coco["size"]
    return Mask(size=(height, width), counts=coco["counts"].decode("ascii"))


def area(mask: Mask) -> int:
    """The number of foreground pixels."""
    return int(runs_of(mask)[1::2].sum())


def bounding_box(mask: Mask) -> Box | None:
    """The tightest box around the foreground's pixels, or None where there is none."""
    extent = extent_of(runs_of(mask), mask.size[0])
    return None if extent is None else Box(corners=extent)


def extent_of(runs: rle.Runs, height: int) -> tuple[float, float, float, float] | None:
    """``(x_min, y_min, x_max, y_max)`` around the foreground of canonical runs, or None."""
    edges = np.cumsum(runs)
    starts, ends = edges[0:-1:2], edges[1::2]
    if not ends.size:
        return None
    x_min, x_max = int(starts[0]) // height, (int(ends[-1]) - 1) // height + 1
    if (starts // height != (ends - 1) // height).any():
        return x_min, 0, x_max, height  # a run that goes on in the next column touches both borders
    return x_min, int((starts % height).min()), x_max, int(((ends - 1) % height).max()) + 1


def union(masks: Sequence[Mask]) -> Mask:
    """All pixels that any of the masks holds.

    Raises
    ------
    ValueError
        If there is no mask, or they are of different sizes.
    """
    if not masks:
        raise ValueError("a union needs at least one mask")
    if len({mask.size for mask in masks}) > 1:
        raise ValueError("masks of different image sizes have no union")
    return from_coco(coco_mask.merge([to_coco(mask) for mask in masks], intersect=False))


def rasterise(geometry: Geometry, size: Size) -> Mask:
    """Draw a box, polygon or mask on an image of this size; what lies outside it is cut off.

    A box takes the pixels whose centre it holds; a polygon takes pycocotools' pixels, so that
    metrics are COCO's, and its parts are united.

    Raises
    ------
    ValueError
        If the geometry covers no area by its kind, a mask is of another size, or the outline of
        a polygon is absurdly long.
    """
    if isinstance(geometry, Mask):
        if geometry.size != size:
            raise ValueError(f"a mask of {geometry.size} does not fit an image of {size}")
        return geometry
    if isinstance(geometry, Polygon):
        return _draw_polygon(geometry, size)
    if isinstance(geometry, Box):
        return _draw_box(geometry, size)
    raise ValueError(f"a {geometry.kind} covers no area")


def _draw_polygon(polygon: Polygon, size: Size) -> Mask:
    height, width = size
    rle.check_size(height, width)
    if (length := outline_length(polygon)) > MAX_OUTLINE:
        raise ValueError(f"a polygon outline of {length:.0f} pixels is above {MAX_OUTLINE:.0f}")
    parts = coco_mask.frPyObjects([list(part) for part in polygon.parts], height, width)
    return from_coco(coco_mask.merge(parts, intersect=False))


def outline_length(polygon: Polygon) -> float:
    """Length of all rings in pixels, each edge by its longer side."""
    return float(sum(_ring_length(np.asarray(part).reshape(-1, 2)) for part in polygon.parts))


def _ring_length(points: NDArray[np.float64]) -> float:
    return float(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum())


def _draw_box(box: Box, size: Size) -> Mask:
    height, width = size
    rle.check_size(height, width)
    low_x, low_y, high_x, high_y = (int(np.ceil(value - 0.5)) for value in box.corners)
    left, right = (min(max(value, 0), width) for value in (low_x, high_x))
    top, bottom = (min(max(value, 0), height) for value in (low_y, high_y))
    if left >= right or top >= bottom:
        return from_runs([height * width], size)
    column = [height - (bottom - top), bottom - top]  # the gap to the next column, the run in it
    runs = [left * height + top, bottom - top, *(column * (right - left - 1))]
    return from_runs([*runs, height * width - sum(runs)], size)
