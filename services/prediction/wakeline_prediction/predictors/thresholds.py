"""Where brightness divides into two: thresholds for a whole image or around each pixel."""

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
"""One value per pixel, shape (H, W)."""

BINS = 256


def otsu(values: Plane, low: float, high: float) -> float:
    """The value that divides best into two classes of little spread.

    Where several thresholds divide equally well, as in the empty stretch between two clear peaks,
    the one in their middle is taken.

    Source: Otsu, "A threshold selection method from gray-level histograms" (1979).

    Parameters
    ----------
    values : float32, any shape
        What lies outside of ``low`` and ``high`` counts as lying at that end.
    low, high
        Ends of the histogram; ``low < high``.

    Returns
    -------
    float in [low, high]
        Values above it are the upper class.
    """
    counts, edges = np.histogram(np.clip(values, low, high), bins=BINS, range=(low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1].astype(np.float64)
    above = below[-1] + counts[-1] - below
    sum_below = np.cumsum(counts * centres)[:-1]
    sum_above = float((counts * centres).sum()) - sum_below
    spread = np.zeros(BINS - 1)
    both = (below > 0) & (above > 0)
    difference = sum_below[both] / below[both] - sum_above[both] / above[both]
    spread[both] = below[both] * above[both] * difference**2
    if not both.any():
        return float(high)
    best = np.flatnonzero(spread >= spread.max() * (1 - 1e-9))
    return float(edges[1:-1][best].mean())


def local_mean(values: Plane, radius: float) -> Plane:
    """The mean around each pixel, weighted by a Gaussian of ``radius`` pixels, shape (H, W)."""
    return np.asarray(
        cv2.GaussianBlur(values, (0, 0), max(radius, 0.5), borderType=cv2.BORDER_REFLECT),
        dtype=np.float32,
    )
