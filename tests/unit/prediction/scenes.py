"""Pictures whose truth is known, drawn for the rules."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Disc = tuple[float, float, float]
"""``(x, y, radius)`` in pixels."""
Bitmap = NDArray[np.bool_]


def discs(size: tuple[int, int], *drawn: Disc) -> Bitmap:
    """The union of discs."""
    canvas = np.zeros(size, np.uint8)
    for x, y, radius in drawn:
        cv2.circle(canvas, (round(x), round(y)), round(radius), 1, -1)
    return canvas.astype(bool)


def grey_scene(
    size: tuple[int, int],
    drawn: Sequence[Disc],
    *,
    ground: float = 0.2,
    level: float = 0.8,
    noise: float = 0.03,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Discs of one brightness on noisy ground, as a stack of one channel."""
    plane = np.where(discs(size, *drawn), level, ground)
    plane = plane + np.random.default_rng(seed).normal(0, noise, size)
    return np.asarray(np.clip(plane, 0, 1)[..., None], np.float32)


def field(size: tuple[int, int], drawn: Sequence[Disc], *, seed: int = 0) -> NDArray[np.float32]:
    """Plants on soil in red and near infrared, as reflectances: a stack of two channels."""
    random = np.random.default_rng(seed)
    plants = discs(size, *drawn)
    shade = cv2.GaussianBlur(random.random(size).astype(np.float32), (0, 0), 20)
    shade = (0.5 + shade / shade.max())[..., None]
    reflectance = np.where(plants[..., None], [0.08, 0.5], [0.25, 0.3])
    stack = reflectance * shade + random.normal(0, 0.01, (*size, 2))
    return np.asarray(np.clip(stack, 0, 1), np.float32)


def iou(a: Bitmap, b: Bitmap) -> float:
    """Overlap of two bitmaps."""
    return float((a & b).sum() / max(1, (a | b).sum()))
