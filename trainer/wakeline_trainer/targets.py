"""What the network should answer for a view: vector, centre and distance maps."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

CENTRE_WIDTH = 0.12
"""Standard deviation of the spot around a centre, in sides of the object."""

CORE = 0.3
"""Cells where the centre map is above this learn the distances to the sides."""

Map = NDArray[np.float32]


def vector_targets(ids: NDArray[np.int32], object_size: float) -> Map:
    """Vectors to the centres of numbered objects.

    Parameters
    ----------
    ids : int32, shape (h, w)
        The object at each cell, 0 or less for none.
    object_size
        The unit of vectors in cells.

    Returns
    -------
    float32, shape (2, h, w)
        ``(dx, dy)`` from each cell to the centre of mass of its object's visible part; 0 elsewhere.
    """
    vectors = np.zeros((2, *ids.shape), np.float32)
    rows, columns = np.nonzero(ids > 0)
    if not rows.size:
        return vectors
    _, which = np.unique(ids[rows, columns], return_inverse=True)
    areas = np.bincount(which)
    x, y = (np.bincount(which, weights=at) / areas for at in (columns, rows))
    vectors[:, rows, columns] = np.stack([x[which] - columns, y[which] - rows]) / object_size
    return vectors


def box_targets(
    boxes: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: int,
    cells: tuple[int, int],
    stride: int,
    object_size: float,
) -> tuple[Map, Map, Map]:
    """Centre and distance maps of boxes.

    Parameters
    ----------
    boxes : float32, shape (N, 4)
        In working pixels.
    labels : int64, shape (N,)
    cells
        Height and width of the maps.
    stride
        Working pixels per cell.
    object_size
        The unit of distances in working pixels.

    Returns
    -------
    float32, shape (classes, h, w)
        Centre maps in [0, 1].
    float32, shape (4, h, w)
        Distances to the left, top, right and bottom side of the box that each cell belongs to.
    float32, shape (h, w)
        How much each cell's distances count: 1 in all for each box, 0 away from their centres.
    """
    centres = np.zeros((classes, *cells), np.float32)
    distances = np.zeros((4, *cells), np.float32)
    weights, highest = np.zeros((2, *cells), np.float32)
    rows, columns = np.indices(cells) * stride + stride / 2
    for box, label in zip(boxes, labels, strict=True):
        x_min, y_min, x_max, y_max = box.tolist()
        side = float(np.sqrt((x_max - x_min) * (y_max - y_min)))
        # The spot's peak is on a cell, so that every box has one cell with the full target.
        x, y = (int((low + high) / 2 / stride) for low, high in ((x_min, x_max), (y_min, y_max)))
        spot = spots(cells, [(x, y, side / stride)])
        centres[label] = np.maximum(centres[label], spot)
        owned = (spot > CORE) & (spot > highest)
        highest[owned] = spot[owned]
        weights[owned] = spot[owned] / max(1.0, float(spot[owned].sum()))
        reach = np.stack([columns - x_min, rows - y_min, x_max - columns, y_max - rows])
        distances[:, owned] = np.maximum(reach[:, owned] / object_size, 1e-3)
    return centres, distances, weights


def spots(shape: tuple[int, ...], objects: Iterable[tuple[float, float, float]]) -> Map:
    """Gaussian spots of height 1, the highest where they meet.

    Parameters
    ----------
    objects
        ``(x, y, side)`` of each object in cells; the side sets the width of its spot.
    """
    heat = np.zeros(shape, np.float32)
    for x, y, side in objects:
        width = max(0.8, CENTRE_WIDTH * side)
        reach = int(np.ceil(3 * width))
        left, top = max(0, round(x) - reach), max(0, round(y) - reach)
        part = heat[top : round(y) + reach + 1, left : round(x) + reach + 1]
        rows, columns = np.indices(part.shape)
        squared = (columns + left - x) ** 2 + (rows + top - y) ** 2
        np.maximum(part, np.exp(-squared / (2 * width**2)), out=part, casting="same_kind")
    return heat
