"""Picks: what is next, and whether the probability that a label carries is the true one."""

from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_labeling.domain import selection
from wakeline_labeling.domain.selection import Candidate, Coins, pick

HEAD = Coins(lane=0.99, place=0.0, half=0.0)


def queue(*halves: bool, priorities: tuple[int, ...] = ()) -> list[Candidate]:
    ranks = priorities or (0,) * len(halves)
    return [Candidate(f"s{n}", ranks[n], counts) for n, counts in enumerate(halves)]


candidates = st.lists(st.tuples(st.sampled_from([0, 100]), st.booleans()), min_size=1, max_size=9)


@given(candidates, st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.booleans(), st.integers(1, 4))
def test_a_pick_says_the_probability_with_which_it_is_made(
    rows: list[tuple[int, bool]], share: float, paired: bool, crowd: int
) -> None:
    ordered = sorted(rows, key=lambda row: -row[0])
    found = [Candidate(f"s{n}", priority, counts) for n, (priority, counts) in enumerate(ordered)]
    steps = 2_520  # divisible by every number up to 10: each coin's ranges are met exactly
    measured: dict[str, float] = defaultdict(float)
    said: dict[str, set[float]] = defaultdict(set)
    for step in range(steps):
        coin = (step + 0.5) / steps
        for lane, weight in ((0.0, share), (0.999_999, 1 - share)):
            if weight:
                coins = Coins(lane=lane, place=coin, half=coin)
                picked = pick(found, coins, share, paired=paired, crowd=crowd)
                measured[picked.candidate.slot_id] += weight / steps
                said[picked.candidate.slot_id].add(picked.probability)
    assert sum(measured.values()) == pytest.approx(1)
    for slot_id, probability in measured.items():
        (told,) = said[slot_id]
        assert told == pytest.approx(probability)


def test_the_first_in_order_is_next() -> None:
    picked = pick(queue(True, True, True), HEAD, 0.1, paired=False)
    assert picked.candidate.slot_id == "s0"
    assert picked.probability == pytest.approx(0.9 + 0.1 / 3)


def test_either_half_of_a_pair_is_wanted_as_often() -> None:
    rows = queue(True, False, True)
    wanted = Counter(
        pick(rows, Coins(0.99, 0.0, half), 0.0, paired=True).candidate.slot_id
        for half in (0.0, 0.49, 0.5, 0.99)
    )
    assert wanted == {"s0": 2, "s1": 2}


def test_a_second_half_of_lower_priority_waits_for_its_turn() -> None:
    rows = queue(True, False, priorities=(100, 0))
    picked = pick(rows, Coins(0.99, 0.0, 0.99), 0.0, paired=True)
    assert (picked.candidate.slot_id, picked.probability) == ("s0", 1.0)


@given(st.integers(0, 2_000_000), st.floats(0, 1, exclude_max=True))
def test_strata_of_a_long_queue_hold_about_as_many_slots_as_are_looked_at(
    queued: int, coin: float
) -> None:
    strata = selection.strata(queued)
    assert strata & (strata - 1) == 0
    if queued > selection.SMALL_QUEUE:
        assert selection.STRATUM <= queued / strata < 2 * selection.STRATUM
    stratum = selection.stratum_of(coin, strata)
    assert stratum.low <= coin < stratum.high


def test_the_strata_cover_everything_once() -> None:
    edges = [selection.stratum_of((n + 0.5) / 8, 8) for n in range(8)]
    assert edges[0].low == 0.0
    assert edges[-1].high == 1.0
    assert all(a.high == b.low for a, b in pairwise(edges))
