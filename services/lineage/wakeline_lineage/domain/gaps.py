"""Which sequences of a stream are not there."""

from collections.abc import Iterable

MOST = 100
"""Missing sequences that are named."""


def missing_in(sequences: Iterable[int]) -> tuple[int, ...]:
    """The first :data:`MOST` numbers that lack between 1 and the highest of these."""
    missing: list[int] = []
    expected = 1
    for sequence in sorted(set(sequences)):
        missing.extend(range(expected, min(sequence, expected + MOST - len(missing))))
        expected = sequence + 1
    return tuple(missing[:MOST])
