"""COCO's average precision from compact match records, one per asset, that can be resampled.

Matching looks at pixels and is done once per asset. What follows only sorts and sums, so that
a bootstrap over assets costs no matching at all: a resample is a row of weights.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wakeline_geometry.masks import Size
from wakeline_geometry.matching import greedy
from wakeline_geometry.overlap import pairwise_iou
from wakeline_geometry.shapes import Predicted, Shape

IOU_THRESHOLDS: NDArray[np.float64] = np.linspace(0.5, 0.95, 10)
"""Overlaps at which COCO averages, shape (T,)."""

RECALL_POINTS: NDArray[np.float64] = np.linspace(0.0, 1.0, 101)
"""Recalls at which COCO reads the precision."""

MAX_DETECTIONS = 1_000
"""Detections kept per class and asset. COCO keeps 100, fewer than a microscope image holds."""

CROWD = "iscrowd"
"""A truth whose attribute of this name is true is a region to be ignored, as in COCO."""

_CHUNK = 1 << 16  # weights handled at once: fits a core's cache


@dataclass(frozen=True, slots=True)
class ClassMatches:
    """How the detections of one class met the truth of one asset."""

    scores: NDArray[np.float64]
    """Falling scores in [0, 1], shape (D,)."""
    hit: NDArray[np.bool_]
    """Whether it found an object at each threshold, shape (T, D)."""
    ignored: NDArray[np.bool_]
    """Whether it lies on a crowd, so that it neither counts nor costs, shape (T, D)."""
    iou: NDArray[np.float64]
    """Overlap with the object found at IoU 0.5; NaN where none was, shape (D,)."""
    instances: int
    """Objects in the truth, crowds not counted."""


@dataclass(frozen=True, slots=True)
class AssetMatches:
    """How the predictions on one asset met its truth, by class name."""

    classes: Mapping[str, ClassMatches]


@dataclass(frozen=True, slots=True)
class ClassResult:
    """The metrics of one class that occurs in the truth."""

    ap: float
    """Average precision over IoU .50:.05:.95, in [0, 1]."""
    ap50: float
    """Average precision at IoU 0.5, in [0, 1]."""
    mean_iou: float | None
    """Mean overlap of the pairs matched at IoU 0.5, in [0.5, 1]; None if there is no pair."""
    instances: int
    """Objects in the truth."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of one model on a list of assets."""

    ap: float | None
    """Mean of the classes' ``ap``; None if no class occurs in the truth."""
    ap50: float | None
    """Mean of the classes' ``ap50``; None if no class occurs in the truth."""
    per_class: Mapping[str, ClassResult]
    """Only classes that occur in the truth, by name in sorted order."""
    assets: int


@dataclass(frozen=True, slots=True)
class ClassRanking:
    """All detections of one class on A assets, best first."""

    asset: NDArray[np.int64]
    """Position of each detection's asset, shape (N,)."""
    hit: NDArray[np.bool_]
    """Shape (T, N)."""
    ignored: NDArray[np.bool_]
    """Shape (T, N)."""
    iou: NDArray[np.float64]
    """Shape (N,)."""
    instances: NDArray[np.int64]
    """Objects of the class per asset, shape (A,)."""


Ranking = Mapping[str, ClassRanking]
"""The classes that occur in the truth, by name in sorted order."""


def match_asset(
    truth: Sequence[Shape],
    predicted: Sequence[Predicted],
    size: Size,
    *,
    max_detections: int = MAX_DETECTIONS,
) -> AssetMatches:
    """Match the predictions on one asset to its truth, class by class, greedily by score.

    Parameters
    ----------
    size
        ``(height, width)`` of the asset in pixels.
    max_detections
        How many predictions of a class count, best first.

    Raises
    ------
    ValueError
        If a mask is not of the asset's size.
    """
    names = {shape.class_name for shape in (*truth, *predicted)}
    return AssetMatches(
        {
            name: _match_class(
                [shape for shape in truth if shape.class_name == name],
                [shape for shape in predicted if shape.class_name == name],
                size,
                max_detections,
            )
            for name in sorted(names)
        }
    )


def _match_class(
    truth: Sequence[Shape], predicted: Sequence[Predicted], size: Size, max_detections: int
) -> ClassMatches:
    best_first = sorted(predicted, key=lambda shape: -shape.score)[:max_detections]
    crowd = np.array([bool(shape.attributes.get(CROWD)) for shape in truth], dtype=bool)
    overlaps = pairwise_iou(
        [shape.geometry for shape in best_first],
        [shape.geometry for shape in truth],
        size,
        crowd=crowd.tolist(),
    )
    matches = greedy(overlaps, IOU_THRESHOLDS, crowd)
    hit = (matches.truth >= 0) & ~matches.ignored
    found = np.flatnonzero(hit[0])
    iou = np.full(len(best_first), np.nan)
    iou[found] = overlaps[found, matches.truth[0, found]]
    return ClassMatches(
        scores=np.array([shape.score for shape in best_first], dtype=np.float64),
        hit=hit,
        ignored=matches.ignored,
        iou=iou,
        instances=int((~crowd).sum()),
    )


def rank(matches: Sequence[AssetMatches]) -> Ranking:
    """Sort the detections of all assets by score, class by class; ties keep the assets' order."""
    names = {name for asset in matches for name, found in asset.classes.items() if found.instances}
    return {name: _rank_class(name, matches) for name in sorted(names)}


def _rank_class(name: str, matches: Sequence[AssetMatches]) -> ClassRanking:
    found = [(i, asset.classes[name]) for i, asset in enumerate(matches) if name in asset.classes]
    order = np.argsort(-np.concatenate([m.scores for _, m in found]), kind="stable")
    instances = np.zeros(len(matches), dtype=np.int64)
    for i, match in found:
        instances[i] = match.instances
    return ClassRanking(
        asset=np.concatenate([np.full(m.scores.size, i, dtype=np.int64) for i, m in found])[order],
        hit=np.concatenate([m.hit for _, m in found], axis=1)[:, order],
        ignored=np.concatenate([m.ignored for _, m in found], axis=1)[:, order],
        iou=np.concatenate([m.iou for _, m in found])[order],
        instances=instances,
    )


def evaluate(matches: Sequence[AssetMatches]) -> Evaluation:
    """COCO's AP and AP50 and the mean overlap, per class and as macro means."""
    once = np.ones((1, len(matches)))
    per_class = {}
    for name, ranking in rank(matches).items():
        by_threshold = class_ap(ranking, once)[0]
        overlaps = ranking.iou[ranking.hit[0]]
        per_class[name] = ClassResult(
            ap=float(by_threshold.mean()),
            ap50=float(by_threshold[0]),
            mean_iou=float(overlaps.mean()) if overlaps.size else None,
            instances=int(ranking.instances.sum()),
        )
    results = per_class.values()
    return Evaluation(
        ap=float(np.mean([result.ap for result in results])) if results else None,
        ap50=float(np.mean([result.ap50 for result in results])) if results else None,
        per_class=per_class,
        assets=len(matches),
    )


def class_ap(ranking: ClassRanking, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average precision of one class, with every asset counted as often as its weight says.

    Source: ``COCOeval.accumulate`` of pycocotools: precision made non-increasing and read at
    101 recalls. Both change only at hits, so only these are looked at. Copies of an asset keep
    together where scores are tied; pycocotools would take them in turn.

    Parameters
    ----------
    weights : float64, shape (R, A)
        How often each asset counts in each of R resamples, >= 0; ones for a plain evaluation.

    Returns
    -------
    float64, shape (R, T), in [0, 1]
        NaN where the class does not occur in the truth of a resample.
    """
    ap = np.full((len(weights), IOU_THRESHOLDS.size), np.nan)
    instances = weights @ ranking.instances
    defined = np.flatnonzero(instances > 0)
    rows = max(1, _CHUNK // max(1, ranking.asset.size))
    for first in range(0, defined.size, rows):
        chunk = defined[first : first + rows]
        per_detection = weights[np.ix_(chunk, ranking.asset)]
        ap[chunk] = np.stack(
            list(_ap_by_threshold(ranking, per_detection, instances[chunk])), axis=1
        )
    return ap


def _ap_by_threshold(
    ranking: ClassRanking, weights: NDArray[np.float64], instances: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    all_seen = np.cumsum(weights, axis=1)
    for hit, ignored in zip(ranking.hit, ranking.ignored, strict=True):
        seen = np.cumsum(weights * ~ignored, axis=1) if ignored.any() else all_seen
        hits = np.flatnonzero(hit)
        found = np.cumsum(weights[:, hits], axis=1)
        precision = np.zeros_like(found)
        np.divide(found, seen[:, hits], out=precision, where=found > 0)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        passed = np.searchsorted(RECALL_POINTS, found / instances[:, None], side="right")
        newly = np.diff(passed, axis=1, prepend=0)
        yield (envelope * newly).sum(axis=1) / RECALL_POINTS.size


def macro_ap(ranking: Ranking, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean AP over the classes that occur in each resample's truth.

    Parameters
    ----------
    weights : float64, shape (R, A)
        As for ``class_ap``.

    Returns
    -------
    float64, shape (R,), in [0, 1]
        NaN where a resample holds no truth at all.
    """
    per_class = [class_ap(ranked, weights).mean(axis=1) for ranked in ranking.values()]
    return mean_of_defined(per_class, len(weights))


def mean_of_defined(
    per_class: Sequence[NDArray[np.float64]], resamples: int
) -> NDArray[np.float64]:
    """The mean over classes, each of shape (R,), leaving out NaN; NaN where nothing is left."""
    stacked = np.array(per_class, dtype=np.float64).reshape(len(per_class), resamples)
    defined = np.isfinite(stacked)
    mean = np.full(resamples, np.nan)
    np.divide(
        np.where(defined, stacked, 0.0).sum(axis=0),
        defined.sum(axis=0),
        out=mean,
        where=defined.any(axis=0),
    )
    return mean
