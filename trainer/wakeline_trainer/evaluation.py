"""Hold-out metrics of a model, and the least score that is worth showing to people."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wakeline_geometry.average_precision import AssetMatches, evaluate, match_asset
from wakeline_geometry.overlap import pairwise_iou
from wakeline_geometry.shapes import Predicted
from wakeline_models.card import Kind
from wakeline_trainer.contract import Asset

SCORES = tuple(np.round(np.arange(0.1, 0.75, 0.05), 2).tolist())
"""Least scores that are tried."""

REMOVAL = {"instances": 0.04, "boxes": 0.13}
"""Effort of removing a wrong pre-label, in drawings: 3.3 s against 80 s a mask and 25.5 s a box
(effort-1)."""

CONFIRMED = {"instances": 0.85, "boxes": 0.80}
"""IoU from which people take a pre-label as it is (effort-1)."""


def holdout_metrics(matches: Sequence[AssetMatches]) -> dict[str, Any]:
    """COCO's metrics as ``metrics.json`` has them."""
    result = evaluate(matches)
    return {
        "ap": result.ap,
        "ap50": result.ap50,
        "assets": result.assets,
        "per_class": {
            name: {
                "ap": found.ap,
                "ap50": found.ap50,
                "mean_iou": found.mean_iou,
                "instances": found.instances,
            }
            for name, found in result.per_class.items()
        },
    }


def match(asset: Asset, predicted: Sequence[Predicted]) -> AssetMatches:
    """How predictions met the annotations of an asset."""
    return match_asset(asset.annotations, predicted, asset.size)


def least_score(kind: Kind, assets: Sequence[tuple[Asset, Sequence[Predicted]]]) -> float:
    """The least score with which pre-labels save the most work.

    Of scores that are about as good the lowest is taken: on new images scores are lower than on
    those that the model has seen.
    """
    saved = np.zeros(len(SCORES))
    for asset, predicted in assets:
        worth = drawings_saved(kind, asset, predicted)
        scores = np.array([shape.score for shape in predicted])
        saved += [worth[scores >= least].sum() for least in SCORES]
    objects = sum(len(asset.annotations) for asset, _ in assets)
    return SCORES[int(np.argmax(saved >= saved.max() - 0.02 * objects))]


def drawings_saved(kind: Kind, asset: Asset, predicted: Sequence[Predicted]) -> NDArray[np.float64]:
    """What each pre-label saves, in drawings of an object; negative if it costs.

    A good one saves a drawing, one to edit a part of it, a wrong one costs its removal.

    Parameters
    ----------
    predicted
        Best first: of two that mean one object the second is wrong.

    Returns
    -------
    float64, shape (N,), in [-0.13, 1]
    """
    overlaps = pairwise_iou(
        [shape.geometry for shape in predicted],
        [annotation.geometry for annotation in asset.annotations],
        asset.size,
    )
    saved = np.full(len(predicted), -REMOVAL[kind])
    for i in range(len(predicted)):
        if overlaps.shape[1] and (overlap := overlaps[i].max()) >= 0.5:
            saved[i] = 1.0 if overlap >= CONFIRMED[kind] else 0.9 - 1.5 * (1 - overlap)
            overlaps[:, overlaps[i].argmax()] = 0.0
    return saved
