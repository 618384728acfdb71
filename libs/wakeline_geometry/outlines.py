"""Masks as polygons, for showing them and for tools that hold no bitmaps."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from wakeline_geometry import masks
from wakeline_geometry.shapes import Mask, Polygon

MAX_PARTS = 1_000
"""A polygon's limit: of a mask in more pieces only the largest are kept."""

Vertex = tuple[int, int]


def outline(mask: Mask) -> Polygon | None:
    """The outer borders of a mask, exactly along the edges of its pixels; None if it is empty.

    One part for each group of pixels joined by their edges. Holes are filled, as a polygon's
    parts are united: a mask without holes drawn again from its outline is the same mask.
    """
    box = masks.bounding_box(mask)
    if box is None:
        return None
    left, top, right, bottom = (int(corner) for corner in box.corners)
    cropped = np.pad(masks.decode(mask)[top:bottom, left:right], 1)
    rings = [ring for ring in _rings(_edges(cropped)) if _signed_area(ring) > 0]
    rings.sort(key=_signed_area, reverse=True)
    offset = np.array([left - 1, top - 1])  # the crop has a frame of one pixel
    return Polygon(parts=tuple(_flat(ring + offset) for ring in rings[:MAX_PARTS]))


def _edges(bitmap: NDArray[np.bool_]) -> dict[Vertex, list[Vertex]]:
    """Where one may go from each corner of a pixel with the foreground on the right hand."""
    edges: defaultdict[Vertex, list[Vertex]] = defaultdict(list)
    below, above = bitmap[1:], bitmap[:-1]
    beside, before = bitmap[:, 1:], bitmap[:, :-1]
    for border, axis, forward in (
        (below & ~above, 0, True),  # along a pixel's top, to the right
        (above & ~below, 0, False),
        (before & ~beside, 1, True),  # along a pixel's right side, down
        (beside & ~before, 1, False),
    ):
        rows, columns = np.nonzero(border)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            low = (column, row + 1) if axis == 0 else (column + 1, row)
            high = (column + 1, row + 1)
            start, end = (low, high) if forward else (high, low)
            edges[start].append(end)
    return edges


def _rings(edges: dict[Vertex, list[Vertex]]) -> list[NDArray[np.int64]]:
    """Follow the edges round; where two pixels meet at a corner only, turn right: stay at one."""
    rings = []
    while edges:
        first = at = next(iter(edges))
        came = (0, 0)
        corners: list[Vertex] = []
        while not corners or at != first or _right_of(at, came) in edges.get(at, ()):
            nexts = edges[at]
            right = _right_of(at, came)
            step = right if right in nexts else nexts[0]
            nexts.remove(step)
            if not nexts:
                del edges[at]
            went = (step[0] - at[0], step[1] - at[1])
            if went != came:
                corners.append(at)
            at, came = step, went
        rings.append(np.array(corners, dtype=np.int64))
    return rings


def _right_of(at: Vertex, came: Vertex) -> Vertex:
    return at[0] - came[1], at[1] + came[0]


def _signed_area(ring: NDArray[np.int64]) -> float:
    x, y = ring.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _flat(ring: NDArray[np.int64]) -> tuple[float, ...]:
    return tuple(float(value) for value in ring.ravel().tolist())
