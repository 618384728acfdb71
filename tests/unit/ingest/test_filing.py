"""What a fingerprint is filed under, so that looking others up costs no share of the dataset."""

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wakeline_ingest.domain.filing import (
    FEW_KEYS,
    MOST_CANDIDATES,
    MOST_OF_FEW,
    MOST_STRANGERS,
    candidates,
    telling,
)


def test_those_that_share_most_are_compared_and_no_more_than_a_new_image_has_time_for() -> None:
    sharing = {f"set:{n:03}": frozenset(range(FEW_KEYS + 1 + n % 7)) for n in range(100)}
    likeliest = candidates(sharing)
    assert likeliest[:2] == ["set:006", "set:013"]
    assert len(likeliest) == MOST_CANDIDATES
    shared = [len(sharing[asset_id]) for asset_id in likeliest]
    assert shared == sorted(shared, reverse=True)


def test_of_those_that_share_next_to_nothing_only_some_are_compared() -> None:
    sharing = {f"set:{n:02}": frozenset(range(1 + n % FEW_KEYS)) for n in range(90)}
    sharing["set:99"] = frozenset(range(FEW_KEYS + 1))
    likeliest = candidates(sharing)
    assert likeliest[0] == "set:99"
    assert len(likeliest) == 1 + MOST_OF_FEW


def test_a_key_that_several_strangers_have_tells_nothing() -> None:
    strangers = {f"set:{n}": frozenset({1, 2}) for n in range(MOST_STRANGERS)}
    strangers["set:0"] = frozenset({1})
    assert telling((1, 2, 3), strangers, ()) == (2, 3)


def test_a_key_that_copies_have_tells_which_they_are() -> None:
    copies = {f"set:{n:02}": frozenset({1}) for n in range(MOST_CANDIDATES - 1)}
    assert telling((1, 2), copies, copies.keys()) == (1, 2)
    copies["set:99"] = frozenset({1, 2})
    assert telling((1, 2), copies, copies.keys()) == (2,)


@given(st.integers(0, 2**32 - 1))
def test_what_a_look_up_reads_is_bounded_however_many_strangers_there_are(seed: int) -> None:
    """A third of each image's keys are of few that everyone has."""
    random = np.random.default_rng(seed)
    filed: dict[int, set[str]] = defaultdict(set)
    for number in range(60):
        common, own = random.integers(0, 12, 10), random.integers(100, 10**9, 20)
        keys = tuple(sorted({*common.tolist(), *own.tolist()}))
        sharing: dict[str, set[int]] = defaultdict(set)
        for key in keys:
            for asset_id in filed[key]:
                sharing[asset_id].add(key)
        assert len(sharing) <= MOST_STRANGERS * len(keys)
        for key in telling(keys, sharing, ()):
            filed[key].add(f"set:{number}")
    assert max(len(found) for found in filed.values()) <= MOST_STRANGERS
