"""Sliding windows: a large image is seen in overlapping parts, and their maps are blended.

The weight of a window falls towards its borders, where the network sees the least context, so
that an object on a seam is drawn by the windows that see it whole.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.float32]
"""Maps, or channels, shape (C, H, W)."""

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From windows (N, C, h, w) to maps (N, M, h / stride, w / stride)."""

BATCH = 4


def starts(length: int, window: int, overlap: int) -> list[int]:
    """Where windows along one axis begin: evenly spread, covering all, overlapping enough.

    Parameters
    ----------
    length, window, overlap
        In pixels; ``overlap`` is smaller than ``window``.
    """
    if length <= window:
        return [0]
    count = -(-(length - overlap) // (window - overlap))
    return [round(i * (length - window) / (count - 1)) for i in range(count)]


def hat(side: int) -> NDArray[np.float32]:
    """Weights along one axis of a window: highest in the middle, never 0, shape (side,)."""
    distance = np.minimum(np.arange(side) + 1, side - np.arange(side))
    return np.asarray(distance / distance.max(), dtype=np.float32)


def run(
    network: Network, image: Maps, *, tile: int, overlap: int, multiple: int, stride: int
) -> Maps:
    """Run a network over an image of any size.

    Windows begin at multiples of ``stride``, and what lies outside the image is 0, the mean of a
    standardised channel.

    Parameters
    ----------
    image : float32, shape (C, H, W)
        Standardised channels.

    Returns
    -------
    float32, shape (M, ceil(H / stride), ceil(W / stride))
    """
    height, width = image.shape[1:]
    window = tuple(min(tile, -(-side // multiple) * multiple) for side in (height, width))
    padded = tuple(
        max(size, -(-side // stride) * stride)
        for size, side in zip(window, (height, width), strict=True)
    )
    canvas = image
    if padded != (height, width):
        canvas = np.zeros((image.shape[0], *padded), np.float32)
        canvas[:, :height, :width] = image
    cells = (padded[0] // stride, padded[1] // stride)
    weight = np.outer(*(hat(side // stride) for side in window))
    total: Maps | None = None
    weights = np.zeros(cells, np.float32)
    for corners in _batches(cells, window, overlap, stride):
        views = [
            canvas[:, y * stride : y * stride + window[0], x * stride : x * stride + window[1]]
            for y, x in corners
        ]
        for (y, x), maps in zip(corners, network(np.stack(views)), strict=True):
            if total is None:
                total = np.zeros((maps.shape[0], *cells), np.float32)
            part = np.s_[y : y + weight.shape[0], x : x + weight.shape[1]]
            total[:, *part] += maps * weight
            weights[part] += weight
    assert total is not None  # an image has at least one window
    total /= weights
    return total[:, : -(-height // stride), : -(-width // stride)]


def _batches(
    cells: tuple[int, int], window: tuple[int, ...], overlap: int, stride: int
) -> Iterator[list[tuple[int, int]]]:
    rows, columns = (
        starts(length, side // stride, overlap // stride)
        for length, side in zip(cells, window, strict=True)
    )
    corners = [(y, x) for y in rows for x in columns]
    for first in range(0, len(corners), BATCH):
        yield corners[first : first + BATCH]
