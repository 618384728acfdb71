"""From labels to figures: seconds per image in both arms, their ratio, and intervals (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wakeline_demo.effort import ASSUMED, Constants, Step, halved_and_doubled, seconds

RESAMPLES = 2_000
Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Labeled:
    """One label as the analysis sees it."""

    asset_id: str
    arm: str
    """As it was drawn, whether or not a pre-label was there to show: intention to treat."""
    seconds: float
    quality: float
    """Agreement with the truth, in [0, 1]."""
    shares: Mapping[str, int]
    """confirmed, edited, drawn, removed."""
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Arms:
    """Human seconds per image in both arms, and their ratio."""

    assisted: float | None
    assisted_ci: Interval
    control: float | None
    control_ci: Interval
    ratio: float | None
    ratio_ci: Interval
    paired: bool
    """Whether the ratio is of the same assets in both arms."""


def compare(labels: Sequence[Labeled], seed: int) -> Arms:
    """Compare the arms; on the same assets where each was labeled in both.

    Intervals are 95 % percentile bootstraps over assets: people and images vary, and the images
    more.
    """
    by_arm = {arm: [x for x in labels if x.arm == arm] for arm in ("assisted", "control")}
    pairs = _pairs(by_arm["assisted"], by_arm["control"])
    random = np.random.default_rng(seed)
    if pairs.size:
        assisted, control = pairs[:, 0], pairs[:, 1]
        ratios = _bootstrap_pairs(pairs, random)
    else:
        assisted, control = (
            np.array([x.seconds for x in by_arm[arm]]) for arm in ("assisted", "control")
        )
        ratios = _bootstrap_ratio(assisted, control, random)
    means = [float(x.mean()) if x.size else None for x in (assisted, control)]
    ratio = means[0] / means[1] if means[0] is not None and means[1] else None
    return Arms(
        assisted=means[0],
        assisted_ci=_interval(_bootstrap_mean(assisted, random)),
        control=means[1],
        control_ci=_interval(_bootstrap_mean(control, random)),
        ratio=ratio,
        ratio_ci=_interval(ratios),
        paired=bool(pairs.size),
    )


def shares(labels: Sequence[Labeled]) -> dict[str, float]:
    """Of all shapes that people in the assisted arm handled: confirmed, edited, drawn, removed."""
    names = ("confirmed", "edited", "drawn", "removed")
    assisted = [x for x in labels if x.arm == "assisted"]
    counts = {name: sum(x.shares.get(name, 0) for x in assisted) for name in names}
    total = sum(counts.values())
    return {name: count / total if total else 0.0 for name, count in counts.items()}


def quality(labels: Sequence[Labeled]) -> dict[str, float | bool | None]:
    """Mean agreement of each arm's labels with the truth, before review.

    On the same assets where any were labeled in both arms; ``paired`` says whether.
    """
    arms = {arm: [x for x in labels if x.arm == arm] for arm in ("assisted", "control")}
    both = {x.asset_id for x in arms["assisted"]} & {x.asset_id for x in arms["control"]}
    result: dict[str, float | bool | None] = {"paired": bool(both)}
    for arm, found in arms.items():
        values = [x.quality for x in found if not both or x.asset_id in both]
        result[arm] = float(np.mean(values)) if values else None
    return result


def sensitivity(labels: Sequence[Labeled], seed: int) -> dict[str, tuple[float | None, ...]]:
    """The ratio with each assumed constant at half and at twice its value."""
    result: dict[str, tuple[float | None, ...]] = {}
    for name in ASSUMED:
        half, double = halved_and_doubled(name)
        result[name] = tuple(compare(_recosted(labels, c), seed).ratio for c in (half, double))
    return result


def _recosted(labels: Sequence[Labeled], constants: Constants) -> list[Labeled]:
    return [
        Labeled(x.asset_id, x.arm, seconds(x.steps, constants), x.quality, x.shares, x.steps)
        for x in labels
    ]


def _pairs(assisted: Sequence[Labeled], control: Sequence[Labeled]) -> NDArray[np.float64]:
    """Seconds (assisted, control) of the assets that have both, shape (N, 2)."""
    other = {x.asset_id: x.seconds for x in control}
    both = [(x.seconds, other[x.asset_id]) for x in assisted if x.asset_id in other]
    return np.array(both, dtype=np.float64).reshape(-1, 2)


def _bootstrap_pairs(
    pairs: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    drawn = pairs[random.integers(0, len(pairs), size=(RESAMPLES, len(pairs)))]
    sums = drawn.sum(axis=1)
    ratios: NDArray[np.float64] = sums[:, 0] / sums[:, 1]
    return ratios


def _bootstrap_ratio(
    a: NDArray[np.float64], b: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    if not a.size or not b.size:
        return np.array([])
    return _bootstrap_mean(a, random) / _bootstrap_mean(b, random)


def _bootstrap_mean(
    values: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    if not values.size:
        return np.array([])
    drawn = values[random.integers(0, len(values), size=(RESAMPLES, len(values)))]
    means: NDArray[np.float64] = drawn.mean(axis=1)
    return means


def _interval(draws: NDArray[np.float64]) -> Interval:
    if draws.size == 0:
        return None
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)
