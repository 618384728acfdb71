"""What training minimises, for each kind of model."""

from dataclasses import dataclass

import torch
from monai.losses.dice import DiceLoss
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

VECTORS = 4.0
"""How much vectors count: telling touching objects apart is what takes the most steps."""


LEAST_SEEN = 0.01
"""Share of a batch that people looked at, below which its pixels count no more for being few."""


@dataclass(frozen=True, slots=True)
class InstanceTargets:
    """A batch of what the maps of masks should be."""

    coverage: Tensor
    """Shape (N, K + 1, h, w), background first; sums to 1, or to 0 where nobody looked."""
    vectors: Tensor
    """Shape (N, 2, h, w)."""


@dataclass(frozen=True, slots=True)
class BoxTargets:
    """A batch of what the maps of boxes should be."""

    centres: Tensor
    """Shape (N, K, h, w)."""
    distances: Tensor
    """Shape (N, 4, h, w)."""
    weights: Tensor
    """Shape (N, 1, h, w)."""
    seen: Tensor
    """1 where people looked, 0 where nobody did, shape (N, 1, h, w)."""


class InstanceLoss:
    """Cross-entropy and Dice of the classes, and how far the vectors miss inside of objects.

    All of it only where people looked: elsewhere cross-entropy has no target, and Dice nothing
    that is predicted.
    """

    def __init__(self, class_weights: Tensor) -> None:
        self._weights = class_weights
        self._dice = DiceLoss(include_background=False, batch=True)

    def __call__(self, raw: Tensor, targets: InstanceTargets) -> Tensor:
        """The loss of raw maps (N, K + 3, h, w)."""
        area, vectors = raw[:, :-2], raw[:, -2:]
        seen = (targets.coverage.amax(1, keepdim=True) > 0).to(area.dtype)
        inside = seen - targets.coverage[:, :1]
        miss = smooth_l1_loss(vectors, targets.vectors, beta=0.1, reduction="none")
        dice: Tensor = self._dice(area.softmax(1) * seen, targets.coverage)
        return (
            cross_entropy(area, targets.coverage, self._weights) / seen.mean().clamp(LEAST_SEEN)
            + dice
            + VECTORS * (miss * inside).sum() / (inside.sum() + 1)
        )


class BoxLoss:
    """Focal loss of centres, and one minus the generalised IoU of the boxes at their cores."""

    def __call__(self, raw: Tensor, targets: BoxTargets) -> Tensor:
        """The loss of raw maps (N, K + 4, h, w)."""
        centres, distances = raw[:, :-4], raw[:, -4:].exp()
        miss = 1 - generalised_iou(distances, targets.distances)
        weight = targets.weights
        spots = focal(centres, targets.centres, targets.seen)
        return spots + 2 * (miss * weight).sum() / (weight.sum() + 1)


def focal(logits: Tensor, target: Tensor, seen: Tensor) -> Tensor:
    """Focal loss of spots: cells count by the square of their error, and classes alike.

    Source: Li et al., "Generalized Focal Loss" (NeurIPS 2020), equation 2, with the sum over each
    class divided by what its spots hold, so that few or small objects are not drowned.
    """
    error = (target - logits.sigmoid()).abs() ** 2
    loss = seen * error * binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (loss.sum((0, 2, 3)) / (target.sum((0, 2, 3)) + 5)).sum()


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """GIoU of boxes around the same cells, in [-1, 1]. Source: Rezatofighi et al., CVPR 2019.

    Parameters
    ----------
    a, b
        Distances to the left, top, right and bottom side, >= 0; shape (N, 4, h, w).

    Returns
    -------
    Tensor, shape (N, 1, h, w)
    """
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    intersection, hull = _area(low), _area(high)
    union = _area(a) + _area(b) - intersection
    return intersection / (union + 1e-6) - (hull - union) / (hull + 1e-6)


def _area(distances: Tensor) -> Tensor:
    left, top, right, bottom = (distances[:, side : side + 1] for side in range(4))
    return (left + right) * (top + bottom)
