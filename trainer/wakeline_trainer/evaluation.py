"""Hold-out metrics of a model, and the least score that is worth showing to people."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wakeline_geometry.average_precision import evaluate, match_asset
from wakeline_geometry.bounds import focused
from wakeline_geometry.overlap import pairwise_iou
from wakeline_geometry.shapes import Predicted
from wakeline_models.card import Kind, ModelCard
from wakeline_models.inference import decode
from wakeline_models.windows import Maps
from wakeline_trainer.contract import Asset

SCORES = tuple(np.round(np.arange(0.1, 0.75, 0.05), 2).tolist())
"""Least scores that are tried."""

CALIBRATED_ON = 12
"""Training images on which the least score is chosen, at most."""

SLACK = 0.02
"""Saved drawings per object that count as no difference between two least scores."""

REMOVAL = {"instances": 0.04, "boxes": 0.13}
"""Effort of removing a wrong pre-label, in drawings: 3.3 s against 80 s a mask and 25.5 s a box
(effort-1)."""

CONFIRMED = {"instances": 0.85, "boxes": 0.80}
"""IoU from which people take a pre-label as it is (effort-1)."""


def holdout_metrics(predictions: Sequence[tuple[Asset, Sequence[Predicted]]]) -> dict[str, Any]:
    """COCO's metrics of predictions as ``metrics.json`` has them, inside of focus regions."""
    result = evaluate(
        [
            match_asset(
                focused(asset.annotations, asset.focus_regions),
                focused(shapes, asset.focus_regions),
                asset.size,
            )
            for asset, shapes in predictions
        ]
    )
    return asdict(result)


def least_score(seen: Sequence[tuple[Asset, Maps]], card: ModelCard) -> float:
    """The least score with which a model's pre-labels save the most work on images it has seen.

    Of scores that are about as good the lowest is taken, because on new images scores are lower.
    """
    settings = card.decode.model_copy(update={"min_score": SCORES[0]})
    showing_all = card.model_copy(update={"decode": settings})
    saved = np.zeros(len(SCORES))
    for asset, maps in seen:
        shapes = focused(decode(maps, showing_all, asset.size), asset.focus_regions)
        worth = drawings_saved(card.kind, asset, shapes)
        scores = np.array([shape.score for shape in shapes])
        saved += [worth[scores >= least].sum() for least in SCORES]
    objects = sum(len(asset.annotations) for asset, _ in seen)
    return float(SCORES[int(np.argmax(saved >= saved.max() - SLACK * objects))])


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
