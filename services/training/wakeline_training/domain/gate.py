"""Whether a model may serve: it must not be shown to be worse than what serves now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wakeline_events.base import AssetId
from wakeline_events.training import Gate
from wakeline_geometry.average_precision import AssetMatches, Evaluation, evaluate, match_asset
from wakeline_geometry.bootstrap import macro_interval, paired_bootstrap, quantile
from wakeline_geometry.bounds import focused
from wakeline_geometry.shapes import Predicted
from wakeline_training.domain.manifest import HoldoutTruth

LARGEST_LOSS = 0.05
"""A macro AP, or the bound of a class's AP, that is lower by more than this blocks."""
LEAST_ASSETS = 10
"""With fewer hold-out assets nothing can be shown, and the verdict says so."""
LEAST_INSTANCES = 20
"""Classes with fewer objects in the hold-out are not judged by themselves."""
RESAMPLES = 1_000
NOTHING_SERVED = "none"
"""The comparator's name where no predictor answered for any hold-out asset."""
_Z_90, _Z_80 = 1.2816, 0.8416
"""Quantiles of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the predictors that serve now said on the hold-out."""

    version: str
    """Of the predictor that answered most often."""
    shapes: Mapping[AssetId, Sequence[Predicted]]
    """Its answers; where it tried and failed, no shapes at all."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The gate's word, and what was measured on the way."""

    gate: Gate
    candidate: Evaluation
    """The candidate on the whole hold-out."""
    comparator: Evaluation
    """What serves now on the assets of the pairing."""
    interval: tuple[float, float] | None
    """95 % of the candidate's macro AP, over resampled groups."""


def judge(
    holdout: Sequence[HoldoutTruth],
    candidate: Mapping[AssetId, Sequence[Predicted]],
    served: Served | None,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Judgement:
    """Compare a candidate with what serves now, on the same hold-out assets.

    An asset that the comparator was not asked about is left out of the pairing. Where nothing
    serves at all the candidate is compared with no predictions. What is drawn in the bootstrap
    is the group, since assets of one group are not independent. What lies outside of an asset's
    focus regions is nothing to either: pre-labels were cut there, and people did not look.

    Parameters
    ----------
    candidate
        Predictions on every hold-out asset.
    seed
        Of the bootstrap: the same seed gives the same numbers.
    """
    ours = {truth.asset_id: _match(truth, candidate[truth.asset_id]) for truth in holdout}
    paired = [t for t in holdout if served is None or t.asset_id in served.shapes]
    theirs = [_match(t, () if served is None else served.shapes[t.asset_id]) for t in paired]
    pair = Pair([ours[t.asset_id] for t in paired], theirs, [t.group for t in paired])
    return Judgement(
        gate=_verdict(pair, served.version if served else NOTHING_SERVED, seed, resamples),
        candidate=evaluate(list(ours.values())),
        comparator=evaluate(theirs),
        interval=macro_interval(
            list(ours.values()),
            seed=seed,
            groups=[truth.group for truth in holdout],
            resamples=resamples,
        ),
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """Matches of both models on the same assets, in the same order."""

    candidate: Sequence[AssetMatches]
    comparator: Sequence[AssetMatches]
    groups: Sequence[tuple[str, str]]


def may_serve(gate: Gate) -> bool:
    """Whether a model is published without a person.

    Where there is too little hold-out to show anything the verdict is ``underpowered``; such a
    model is published too, unless even that little speaks against it: then a person decides.
    """
    return gate.verdict == "passed" or (gate.verdict == "underpowered" and not gate.reasons)


def _verdict(pair: Pair, comparator: str, seed: int, resamples: int) -> Gate:
    before, after = evaluate(pair.comparator), evaluate(pair.candidate)
    if after.ap is None or before.ap is None:
        return Gate(verdict="underpowered", comparator=comparator, holdout_assets=after.assets)
    boot = paired_bootstrap(
        pair.candidate, pair.comparator, seed=seed, resamples=resamples, groups=pair.groups
    )
    difference = after.ap - before.ap
    upper = quantile(boot.macro, 0.9)
    bounds = {
        name: bound
        for name, result in after.per_class.items()
        if result.instances >= LEAST_INSTANCES
        and (bound := quantile(boot.per_class[name], 0.95)) is not None
    }
    reasons = _reasons(difference, upper, bounds)
    enough = after.assets >= LEAST_ASSETS
    return Gate(
        verdict="underpowered" if not enough else "blocked" if reasons else "passed",
        comparator=comparator,
        holdout_assets=after.assets,
        difference=difference,
        upper_90=upper,
        per_class_upper_95=bounds,
        smallest_detectable=smallest_detectable(boot.macro),
        reasons=reasons,
    )


def _reasons(
    difference: float, upper: float | None, bounds: Mapping[str, float]
) -> tuple[str, ...]:
    reasons = []
    if upper is not None and upper < 0:
        reasons.append(f"worse: the 90 % upper bound of the difference is {upper:+.3f}")
    if difference < -LARGEST_LOSS:
        reasons.append(f"macro AP changes by {difference:+.3f}, below {-LARGEST_LOSS:+.2f}")
    reasons += [
        f"class {name}: the 95 % upper bound is {bound:+.3f}, below {-LARGEST_LOSS:+.2f}"
        for name, bound in bounds.items()
        if bound < -LARGEST_LOSS
    ]
    return tuple(reasons)


def smallest_detectable(differences: NDArray[np.float64]) -> float | None:
    """The true loss of macro AP that this hold-out would block with probability 0.8.

    The measured difference scatters around the true one by the bootstrap's standard error. It
    blocks below the nearer of two lines: 1.28 standard errors, and 0.05; the true loss must lie
    another 0.84 standard errors beyond that line. The rule for single classes only adds power.

    Parameters
    ----------
    differences : float64, shape (R,)
        Macro differences of the bootstrap; NaN where a resample holds no truth.

    Returns
    -------
    float in [0, 1], or None if fewer than two resamples hold any truth
    """
    defined = differences[np.isfinite(differences)]
    if defined.size < 2:
        return None
    error = float(defined.std(ddof=1))
    return min(1.0, min(_Z_90 * error, LARGEST_LOSS) + _Z_80 * error)


def flat_metrics(
    evaluation: Evaluation, interval: tuple[float, float] | None = None
) -> dict[str, float]:
    """Metrics as events carry them: ``ap``, ``ap50``, and ``ap/<class>``, ``mean_iou/<class>``.

    ``ap_low`` and ``ap_high`` bound the macro AP where an interval is given.
    """
    metrics = {"assets": float(evaluation.assets)}
    if interval is not None:
        metrics |= {"ap_low": interval[0], "ap_high": interval[1]}
    if evaluation.ap is not None and evaluation.ap50 is not None:
        metrics |= {"ap": evaluation.ap, "ap50": evaluation.ap50}
    for name, result in evaluation.per_class.items():
        metrics[f"ap/{name}"] = result.ap
        metrics[f"ap50/{name}"] = result.ap50
        if result.mean_iou is not None:
            metrics[f"mean_iou/{name}"] = result.mean_iou
    return metrics


def _match(truth: HoldoutTruth, predicted: Sequence[Predicted]) -> AssetMatches:
    regions = truth.focus_regions
    return match_asset(focused(truth.annotations, regions), focused(predicted, regions), truth.size)
