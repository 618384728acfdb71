"""Which events of a batch are next in line, which came before and which came too early (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wakeline_messaging.envelope import Envelope


@dataclass
class Split:
    """A batch, sorted by what is to be done with it."""

    fresh: list[Envelope] = field(default_factory=list)
    """Next in line of their streams, in an order in which they may be handled."""
    early: list[Envelope] = field(default_factory=list)
    """Behind a gap: they wait in ``parked``."""
    duplicates: list[Envelope] = field(default_factory=list)
    """At or below their stream's mark: taken in before."""
    marks: dict[str, int] = field(default_factory=dict)
    """The marks after the fresh events, of the streams that moved."""


def split(events: Iterable[Envelope], marks: Mapping[str, int]) -> Split:
    """Sort a batch against the marks of its streams.

    Parameters
    ----------
    events
        In order of arrival; events that wait in ``parked`` may stand among them.
    marks
        The last sequence taken in of each stream. One that is missing was never begun: it may
        begin with a snapshot, whatever its sequence, for what was before is gone for good.

    Returns
    -------
    Split
        Arrival order is kept between streams; within one, sequence order rules, so an event that
        arrives after its successor still lets that one follow in the same batch.
    """
    result = Split()
    ahead: dict[str, dict[int, Envelope]] = {}
    for event in events:
        stream = event.stream
        mark = result.marks.get(stream, marks.get(stream, 0))
        held = ahead.setdefault(stream, {})
        if event.sequence <= mark or event.sequence in held:
            result.duplicates.append(event)
            continue
        if event.snapshot and stream not in marks and stream not in result.marks:
            before = sorted(sequence for sequence in held if sequence < event.sequence)
            result.fresh.extend(held.pop(sequence) for sequence in before)
            mark = event.sequence - 1
        held[event.sequence] = event
        while (following := held.pop(mark + 1, None)) is not None:
            mark += 1
            result.fresh.append(following)
            result.marks[stream] = mark
    for held in ahead.values():
        result.early.extend(held.values())
    return result
