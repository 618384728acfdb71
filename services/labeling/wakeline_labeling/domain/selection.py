"""Which slot of a queue is picked, and with what probability it was.

A pick is, by a coin, uniform over the queue or the first in order; the label carries the
probability of its pick, so that what was learnt from chosen tasks can be weighed into an estimate
about all of them. Source: Horvitz and Thompson, JASA 47 (1952), inverse probability weighting.
"""

from collections.abc import Sequence
from typing import NamedTuple

SMALL_QUEUE = 128
"""Up to so many slots a queue is looked at as a whole, and every probability is exact."""
STRATUM = 64
"""About so many slots of a larger queue are looked at for a uniform pick."""


class Candidate(NamedTuple):
    """A slot that may be picked; candidates come in the order of the queue."""

    slot_id: str
    priority: int
    counts: bool
    """False for the second half of a pair."""


class Pick(NamedTuple):
    """The picked candidate and the probability, in (0, 1], that this pick fell on it."""

    candidate: Candidate
    probability: float


class Coins(NamedTuple):
    """What chance has decided for one pick: independent numbers, uniform in [0, 1)."""

    lane: float
    place: float
    half: float


class Stratum(NamedTuple):
    """A range of the fixed numbers in [0, 1) that slots carry."""

    low: float
    high: float


def pick(
    candidates: Sequence[Candidate],
    coins: Coins,
    uniform_share: float,
    *,
    paired: bool,
    crowd: int = 1,
) -> Pick:
    """Pick from a whole queue.

    Of a paired queue's first priority, a coin decides which half of a pair is wanted, so that
    neither is left to those who come second: who works when must not decide who is assisted.

    Parameters
    ----------
    candidates : at least one, in order
    uniform_share : probability, in [0, 1], that the order is ignored
    crowd : so many of the first are as good as the first, when several people pick at once and
        would only get in each other's way
    """
    heads = _heads(candidates, paired=paired) if crowd == 1 else [*range(crowd)]
    heads = heads[: len(candidates)]
    if coins.lane < uniform_share:
        place = int(coins.place * len(candidates))
    else:
        place = heads[int(coins.half * len(heads))]
    by_order = (1 - uniform_share) / len(heads) if place in heads else 0.0
    return Pick(candidates[place], by_order + uniform_share / len(candidates))


def _heads(candidates: Sequence[Candidate], *, paired: bool) -> list[int]:
    first = candidates[0]
    if not paired:
        return [0]
    for place, candidate in enumerate(candidates):
        if candidate.priority < first.priority:
            break
        if candidate.counts != first.counts:
            return [0, place]
    return [0]


def strata(queued: int) -> int:
    """Into how many strata a queue of this length is divided: a power of two."""
    return 1 << max(0, (queued // STRATUM).bit_length() - 1)


def stratum_of(coin: float, strata: int) -> Stratum:
    """The stratum that a number in [0, 1) falls into."""
    place = int(coin * strata)
    return Stratum(place / strata, (place + 1) / strata)


def probability_in_stratum(uniform_share: float, strata: int, size: int) -> float:
    """Probability that a pick falls on one of the ``size`` slots of a stratum by being uniform."""
    return uniform_share / (strata * size)


def probability_of_first(uniform_share: float, queued: int) -> float:
    """Probability that a pick falls on the first of a queue of about ``queued`` slots.

    The length was counted a while ago; the error is below ``uniform_share / SMALL_QUEUE`` times
    its relative error, which is a tenth or so.
    """
    return (1 - uniform_share) + uniform_share / max(1, queued)
