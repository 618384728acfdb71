"""Which sequences are missing."""

from hypothesis import given
from hypothesis import strategies as st

from wakeline_lineage.domain.gaps import MOST, missing_in


@given(st.sets(st.integers(1, 40), min_size=1, max_size=12))
def test_what_is_missing_is_what_is_not_there_below_the_highest(there: set[int]) -> None:
    lacking = sorted(set(range(1, max(there) + 1)) - there)
    assert missing_in(there) == tuple(lacking[:MOST])


def test_of_a_huge_gap_only_the_first_are_named() -> None:
    assert missing_in([1, 10**12]) == tuple(range(2, 2 + MOST))
