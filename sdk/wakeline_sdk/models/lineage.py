"""Where things come from, what came of them, and every event that was ever published."""

from datetime import datetime
from typing import Any

from wakeline_sdk.shapes import Wire


class LineageLink(Wire):
    """How a node of an answer was reached."""

    node: str
    says: str
    """Read as: what had a part, says, what came of it."""
    event: str | None
    """``service|key|sequence`` of an event that says so; None: a dataset version's manifest."""


class LineageNode(Wire):
    """One thing that events speak of, as it stands in an answer."""

    node: str
    """``kind:id``"""
    kind: str
    id: str
    facts: dict[str, Any]
    depth: int
    """Links away from what was asked for."""
    links: tuple[LineageLink, ...]
    more: bool
    """Not all of its neighbours are in the answer."""


class LineageNeighbour(Wire):
    """One thing that hangs directly on another."""

    node: str
    kind: str
    id: str
    facts: dict[str, Any]
    says: str
    event: str | None


class HistoryEvent(Wire):
    """An event as it was published, with its place in the history."""

    position: int
    event: str
    """``service|key|sequence``"""
    id: str
    service: str
    type: str
    key: str
    sequence: int
    time: datetime
    dataschema: str
    correlation: str | None
    nodes: tuple[str, ...]
    snapshot: bool = False
    """It says again what an earlier event has said: republishing sends such."""
    data: Any


class HistoryGap(Wire):
    """A stream of which events are missing."""

    service: str
    key: str
    events: int
    highest: int
    missing: tuple[int, ...]
    """The first hundred sequences that are not there."""


class HistoryGaps(Wire):
    """Whether every stream is there from its first event on."""

    position: int
    events: int
    streams: int
    types: dict[str, int]
    gaps: tuple[HistoryGap, ...]
    """Empty: nothing is missing."""
