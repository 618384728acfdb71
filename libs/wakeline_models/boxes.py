"""From centre and distance maps to boxes.

Source: centres as local maxima after Zhou, Wang and Krähenbühl, "Objects as Points" (2019);
distances to the four sides after Tian et al., "FCOS" (ICCV 2019).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from wakeline_geometry.overlap import box_iou
from wakeline_geometry.shapes import Box, Predicted
from wakeline_models.card import BoxDecoding, ModelCard
from wakeline_models.windows import Maps

Corners = NDArray[np.float64]
"""Boxes ``(x_min, y_min, x_max, y_max)``, shape (N, 4)."""

_NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))


def decode(
    maps: Maps, card: ModelCard, settings: BoxDecoding, size: tuple[int, int]
) -> list[Predicted]:
    """The boxes of one image, best first, in image pixels.

    Parameters
    ----------
    maps : float32, shape (K + 4, h, w)
    size
        ``(height, width)`` of the image in pixels.
    """
    centres, distances = maps[: len(card.classes)], maps[len(card.classes) :]
    is_peak = (centres == maximum_filter(centres, size=(1, 3, 3))) & (centres >= settings.min_score)
    classes, rows, columns = np.nonzero(is_peak)
    scores = centres[is_peak].astype(np.float64)
    best = np.argsort(-scores, kind="stable")[: settings.max_objects]
    classes, rows, columns, scores = classes[best], rows[best], columns[best], scores[best]
    corners = _corners(centres, distances, (classes, rows, columns), card)
    corners = _to_image(corners, card.scale, size)
    return [
        Predicted(
            id=f"p{number}",
            class_name=card.classes[classes[i]],
            geometry=Box(corners=tuple(corners[i].tolist())),
            score=min(1.0, float(scores[i])),
        )
        for number, i in enumerate(suppress(corners, settings.max_overlap))
    ]


def suppress(corners: Corners, max_overlap: float) -> list[int]:
    """Which boxes stay, best first, when each removes the worse ones that it overlaps too much.

    Boxes without area never stay.

    Parameters
    ----------
    corners : float64, shape (N, 4)
        In falling order of their score.
    """
    alive = (corners[:, 2:] > corners[:, :2]).all(axis=1)
    overlaps = box_iou(corners[alive], corners[alive])
    positions = np.flatnonzero(alive)
    free = np.ones(positions.size, dtype=bool)
    kept = []
    for i in range(positions.size):
        if free[i]:
            kept.append(int(positions[i]))
            free &= overlaps[i] <= max_overlap
    return kept


def _corners(
    centres: Maps,
    distances: Maps,
    peaks: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    card: ModelCard,
) -> Corners:
    """Boxes in working pixels: the mean over each peak and its neighbours, weighted by score."""
    classes, rows, columns = peaks
    last_row, last_column = centres.shape[1] - 1, centres.shape[2] - 1
    peak = centres[classes, rows, columns][:, None]
    total, weights = np.zeros((rows.size, 4)), np.zeros((rows.size, 1))
    for dy, dx in _NEIGHBOURS:
        y, x = np.clip(rows + dy, 0, last_row), np.clip(columns + dx, 0, last_column)
        height = centres[classes, y, x][:, None].astype(np.float64)
        weight = np.where(height >= peak / 2, height, 0.0)  # cells that belong to the same object
        at = np.stack([x, y, x, y], axis=1) * card.stride + card.stride / 2
        reach = distances[:, y, x].T * card.object_size * np.array([-1, -1, 1, 1])
        total += weight * (at + reach)
        weights += weight
    return total / np.maximum(weights, 1e-12)


def _to_image(corners: Corners, scale: float, size: tuple[int, int]) -> Corners:
    height, width = size
    working = [max(1, round(side * scale)) for side in (width, height)] * 2
    limits = np.array([width, height, width, height], dtype=np.float64)
    return np.clip(corners / working * limits, 0, limits)
