"""Which events of a batch are next in line."""

from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from wakeline_messaging.envelope import Envelope
from wakeline_messaging.ordering import split


def envelope(key: str, sequence: int) -> Envelope:
    return Envelope(
        topic="wakeline.ingest",
        key=key,
        sequence=sequence,
        id=f"{key}-{sequence}",
        type="asset.ingested",
        dataschema="events/asset.ingested/1.json",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        data=b"{}",
    )


def test_an_event_at_or_below_the_mark_is_a_duplicate() -> None:
    result = split([envelope("a", 1), envelope("a", 2)], {"wakeline.ingest|a": 2})
    assert [e.sequence for e in result.duplicates] == [1, 2]
    assert not result.fresh
    assert not result.marks


def test_an_event_behind_a_gap_is_early_and_moves_no_mark() -> None:
    result = split([envelope("a", 3)], {"wakeline.ingest|a": 1})
    assert [e.sequence for e in result.early] == [3]
    assert not result.marks


def test_an_event_that_closes_a_gap_lets_its_successors_follow() -> None:
    result = split([envelope("a", 3), envelope("a", 2)], {"wakeline.ingest|a": 1})
    assert [e.sequence for e in result.fresh] == [2, 3]
    assert result.marks == {"wakeline.ingest|a": 3}


@given(
    lengths=st.lists(st.integers(0, 8), min_size=1, max_size=5),
    marks=st.lists(st.integers(0, 8), min_size=5, max_size=5),
    seed=st.integers(0, 2**32),
)
def test_any_arrival_with_repetitions_takes_in_each_event_once_and_in_order(
    lengths: list[int], marks: list[int], seed: int
) -> None:
    events = [envelope(f"k{k}", s + 1) for k, n in enumerate(lengths) for s in range(n)]
    random = Random(seed)
    arrival = random.choices(events, k=len(events) // 2) + events if events else []
    random.shuffle(arrival)
    at = {f"wakeline.ingest|k{k}": mark for k, mark in enumerate(marks)}
    result = split(arrival, at)
    assert not result.early
    for k, n in enumerate(lengths):
        taken = [e.sequence for e in result.fresh if e.key == f"k{k}"]
        assert taken == list(range(marks[k] + 1, n + 1))
    assert len(result.fresh) + len(result.duplicates) == len(arrival)


def test_a_stream_without_a_mark_begins_with_a_snapshot_and_what_is_left_before_it() -> None:
    snapshot = replace(envelope("a", 7), snapshot=True)
    result = split([envelope("a", 5), snapshot, envelope("a", 8), envelope("a", 3)], {})
    assert [e.sequence for e in result.fresh] == [5, 7, 8]
    assert [e.sequence for e in result.duplicates] == [3]
    assert result.marks == {"wakeline.ingest|a": 8}


def test_a_snapshot_closes_no_gap_of_a_stream_that_has_begun() -> None:
    snapshot = replace(envelope("a", 7), snapshot=True)
    result = split([snapshot], {"wakeline.ingest|a": 4})
    assert (result.fresh, result.early) == ([], [snapshot])
    both = split([envelope("b", 1), replace(envelope("b", 4), snapshot=True)], {})
    assert [e.sequence for e in both.fresh] == [1]
    assert [e.sequence for e in both.early] == [4]
