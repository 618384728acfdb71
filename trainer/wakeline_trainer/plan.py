"""From the training data to the settings of a run: pure, and the only place that decides them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wakeline_models.card import Kind

MULTIPLE = 32
"""Sides of windows divide by this: the network halves them five times."""

THICKNESS = 7.0
"""Working pixels across the thin objects of a mask set. At 7 the outline that comes back from
working pixels agrees with the true one at IoU 0.95; at 4 that is 0.85."""

SIDE = 28.0
"""Working pixels along a typical box: enough to tell its sides apart within a tenth."""

LEAST_SIDE = 10.0
"""Working pixels along a typical box of the smallest class."""

SCALES = (1 / 16, 1 / 12, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 3 / 8, 1 / 2, 5 / 8, 3 / 4, 1, 1.5, 2)
"""Working pixels per image pixel that are chosen from."""

CROP = 192
"""Longest side of a training crop in working pixels."""

STEP_PIXELS = 80_000
"""Working pixels that a training step sees: about 0.15 s on one slow core."""

VOTE_SPREAD = 8.0
"""Sides of typical objects are this much longer than their votes are smoothed."""

TILE = 512
"""Longest side of a window at inference, in working pixels."""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """One object of the training split, measured in image pixels."""

    label: int
    """Position of its class."""
    width: float
    height: float
    area: float
    thickness: float
    """4 x area / outline: the diameter of a disc, the width of a square or of a long strip x 2."""

    @property
    def side(self) -> float:
        """Side of the square that is as large as its bounding box."""
        return float(np.sqrt(self.width * self.height))


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings of a run that follow from the data. Lengths are in working pixels."""

    scale: float
    """Working pixels per image pixel."""
    crop: tuple[int, int]
    """Height and width of a training crop, multiples of ``MULTIPLE``."""
    batch: int
    tile: int
    overlap: int
    stride: int
    """Working pixels per cell of the maps."""
    object_size: float
    """Side of a typical object: the unit of vectors and distances."""
    min_cells: int
    """Half of what a small object covers: less is no object."""
    vote_blur: float
    """Standard deviation in cells by which votes for a centre are smoothed."""
    class_weights: tuple[float, ...]
    """How much a cell of each class counts in the loss, background first, in [1, 4]."""

    @property
    def step_pixels(self) -> int:
        """Working pixels that one step of training sees."""
        return self.batch * self.crop[0] * self.crop[1]


def plan(
    kind: Kind,
    classes: int,
    objects: Sequence[ObjectFacts],
    sizes: Sequence[tuple[int, int]],
    scale: float | None = None,
) -> Plan:
    """Choose the settings of a run.

    Parameters
    ----------
    kind
        What the model is to find.
    classes
        Number of classes.
    objects
        The objects of the training split, or a sample of them.
    sizes
        ``(height, width)`` of its images in pixels.
    scale
        Working pixels per image pixel, if somebody decided it already.

    Raises
    ------
    ValueError
        If there is no object or no image.
    """
    if not objects or not sizes:
        raise ValueError("a plan needs at least one object and one image")
    chosen = scale or _snap(_mask_scale(objects) if kind == "instances" else _box_scale(objects))
    height, width = (chosen * max(side) for side in zip(*sizes, strict=True))
    crop = (_multiple(min(height, CROP)), _multiple(min(width, CROP)))
    sides = np.array([found.side for found in objects]) * chosen
    areas = np.array([found.area for found in objects]) * chosen**2
    stride = 1 if kind == "instances" else 2
    return Plan(
        scale=chosen,
        crop=crop,
        batch=int(np.clip(round(STEP_PIXELS / (crop[0] * crop[1])), 2, 8)),
        tile=TILE,
        overlap=int(np.clip(_multiple(float(np.percentile(sides, 95))), 64, TILE // 2)),
        stride=stride,
        object_size=float(np.median(sides)),
        min_cells=max(3, int(np.percentile(areas, 5) / 2 / stride**2)),
        vote_blur=max(1.0, float(np.median(sides)) / VOTE_SPREAD / stride),
        class_weights=_class_weights(objects, classes),
    )


def _mask_scale(objects: Sequence[ObjectFacts]) -> float:
    return THICKNESS / float(np.percentile([found.thickness for found in objects], 25))


def _box_scale(objects: Sequence[ObjectFacts]) -> float:
    """Typical objects decide, unless a whole class would become too small to see."""
    labels = {found.label for found in objects}
    typical = float(np.median([found.side for found in objects]))
    smallest = min(
        float(np.median([found.side for found in objects if found.label == label]))
        for label in labels
    )
    return max(SIDE / typical, LEAST_SIDE / smallest)


def _snap(scale: float) -> float:
    """The nearest of the usual scales, by ratio."""
    return min(SCALES, key=lambda usual: abs(np.log(usual / scale)))


def _multiple(length: float) -> int:
    return max(MULTIPLE, -(-int(np.ceil(length)) // MULTIPLE) * MULTIPLE)


def _class_weights(objects: Sequence[ObjectFacts], classes: int) -> tuple[float, ...]:
    """Rare classes count more, by the square root of how much rarer they are."""
    areas = np.zeros(classes)
    for found in objects:
        areas[found.label] += found.area
    weights: NDArray[np.float64] = np.sqrt(areas.max() / np.maximum(areas, 1e-9))
    return (1.0, *np.clip(weights, 1.0, 4.0).tolist())
