"""One-to-one matching by overlap: greedy by score as in COCO, and optimal for agreement."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from lap import lapjv
from numpy.typing import NDArray

from wakeline_geometry.overlap import Overlaps


class Pair(NamedTuple):
    """Two matched shapes by their positions in their lists, and how alike they are."""

    left: int
    right: int
    iou: float


@dataclass(frozen=True, slots=True)
class GreedyMatches:
    """What each detection met at each of T overlap thresholds."""

    truth: NDArray[np.int64]
    """Position of the matched truth, or -1; shape (T, D)."""
    ignored: NDArray[np.bool_]
    """Whether that truth is a crowd, so that the detection neither counts nor costs; (T, D)."""


def greedy(
    overlaps: Overlaps, thresholds: NDArray[np.float64], crowd: NDArray[np.bool_]
) -> GreedyMatches:
    """Match detections, best first, each to the free truth that it overlaps most.

    A crowd may be matched many times, but only by what no single object takes. Source:
    ``COCOeval.evaluateImg`` of pycocotools, also for ties (the later truth wins).

    Parameters
    ----------
    overlaps : float64, shape (D, G)
        Detections in falling order of their score.
    thresholds : float64, shape (T,)
        The least overlap of a match.
    crowd : bool, shape (G,)
    """
    detections, truths = overlaps.shape
    matched = np.full((thresholds.size, detections), -1, dtype=np.int64)
    if truths == 0:
        return GreedyMatches(matched, np.zeros(matched.shape, dtype=bool))
    least = np.minimum(thresholds, 1 - 1e-10)[:, None]
    free = np.ones((thresholds.size, truths), dtype=bool)
    rows = np.arange(thresholds.size)
    for detection in np.flatnonzero(overlaps.max(axis=1) >= least.min()):
        overlap = overlaps[detection]
        eligible = free & (overlap >= least)
        single = np.where(eligible & ~crowd, overlap, -1.0)
        candidates = np.where(
            (single >= 0).any(axis=1, keepdims=True), single, np.where(eligible, overlap, -1.0)
        )
        best = truths - 1 - candidates[:, ::-1].argmax(axis=1)
        hit = candidates[rows, best] >= 0
        matched[hit, detection] = best[hit]
        free[rows[hit], best[hit]] = crowd[best[hit]]
    return GreedyMatches(matched, (matched >= 0) & crowd[matched])


def optimal(overlaps: Overlaps, *, min_iou: float = 0.0) -> list[Pair]:
    """The one-to-one matching with the greatest sum of overlaps.

    Parameters
    ----------
    overlaps : float64, shape (N, M), in [0, 1]
    min_iou
        Pairs that are less alike, or not at all, are never matched.

    Returns
    -------
    list of Pair
        Ordered by the left position.
    """
    usable = np.where(overlaps >= min_iou, overlaps, 0.0)
    _, columns, _ = lapjv(1 - usable, extend_cost=True)
    return [
        Pair(i, int(j), float(usable[i, j]))
        for i, j in enumerate(columns)
        if j >= 0 and usable[i, j] > 0
    ]
