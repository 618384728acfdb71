"""The paired bootstrap over assets: how sure is it that one model is better than another?"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wakeline_geometry.average_precision import (
    AssetMatches,
    class_ap,
    macro_ap,
    mean_of_defined,
    rank,
)


@dataclass(frozen=True, slots=True)
class PairedBootstrap:
    """Differences of AP, candidate minus comparator, over R resamples of the same assets."""

    macro: NDArray[np.float64]
    """Difference of the macro AP, shape (R,), in [-1, 1]; NaN where a resample has no truth."""
    per_class: Mapping[str, NDArray[np.float64]]
    """The same for each class that occurs in the truth."""


def paired_bootstrap(
    candidate: Sequence[AssetMatches],
    comparator: Sequence[AssetMatches],
    *,
    seed: int,
    resamples: int = 1_000,
    groups: Sequence[Hashable] | None = None,
) -> PairedBootstrap:
    """Draw assets with replacement and score both models on each draw.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 8: what is
    drawn must be independent, hence whole groups.

    Parameters
    ----------
    candidate, comparator
        Matches of both models on the same A assets, in the same order.
    seed
        The same seed gives the same draws.
    groups
        For each asset the group that is drawn as one (same patient, same scene); None: each
        asset by itself.

    Raises
    ------
    ValueError
        If the two lists do not hold the same truth, there is no asset, or a group is missing.
    """
    _check_same_truth(candidate, comparator)
    units: Sequence[Hashable] = range(len(candidate)) if groups is None else groups
    if len(units) != len(candidate):
        raise ValueError(f"{len(units)} groups given for {len(candidate)} assets")
    weights = draw_weights(units, seed=seed, resamples=resamples)
    left, right = rank(candidate), rank(comparator)
    per_class = {
        name: class_ap(left[name], weights).mean(axis=1)
        - class_ap(right[name], weights).mean(axis=1)
        for name in left
    }
    return PairedBootstrap(mean_of_defined(list(per_class.values()), resamples), per_class)


def macro_interval(
    matches: Sequence[AssetMatches],
    *,
    seed: int,
    groups: Sequence[Hashable] | None = None,
    resamples: int = 1_000,
    share: float = 0.95,
) -> tuple[float, float] | None:
    """The interval of one model's macro AP over resampled assets; None where nothing is defined.

    The two-sided percentile bootstrap; ``groups`` as in :func:`paired_bootstrap`.
    """
    if not matches:
        return None
    units: Sequence[Hashable] = range(len(matches)) if groups is None else groups
    weights = draw_weights(units, seed=seed, resamples=resamples)
    values = macro_ap(rank(matches), weights)
    low, high = quantile(values, (1 - share) / 2), quantile(values, (1 + share) / 2)
    return None if low is None or high is None else (low, high)


def draw_weights(groups: Sequence[Hashable], *, seed: int, resamples: int) -> NDArray[np.float64]:
    """How often each asset is drawn in each resample.

    Returns
    -------
    float64, shape (R, A), whole numbers >= 0
        The same for all assets of one group.
    """
    if not groups:
        raise ValueError("a bootstrap needs at least one asset")
    position = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    count = len(position)
    drawn = np.random.default_rng(seed).multinomial(count, [1 / count] * count, size=resamples)
    return drawn[:, [position[group] for group in groups]].astype(np.float64)


def quantile(differences: NDArray[np.float64], share: float) -> float | None:
    """The value below which this share of the defined differences lies; None if none is defined.

    ``quantile(d, 0.9)`` is the one-sided 90 % upper bound of the percentile bootstrap.
    """
    defined = differences[np.isfinite(differences)]
    return float(np.quantile(defined, share)) if defined.size else None


def _check_same_truth(a: Sequence[AssetMatches], b: Sequence[AssetMatches]) -> None:
    if len(a) != len(b):
        raise ValueError(f"a paired bootstrap needs the same assets, got {len(a)} and {len(b)}")
    for i, (left, right) in enumerate(zip(a, b, strict=True)):
        if _instances(left) != _instances(right):
            raise ValueError(f"the two models were matched to different truths of asset {i}")


def _instances(asset: AssetMatches) -> dict[str, int]:
    return {name: found.instances for name, found in asset.classes.items() if found.instances}
