"""What the lineage service remembers: events as they were published, and steps of an answer."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Direction = Literal["back", "on"]
"""``back``: what had a part in it. ``on``: what came of it."""


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """One event of the history."""

    service: str
    type: str
    key: str
    sequence: int
    """In the stream of its key on its service's topic, from 1."""
    id: str
    time: datetime
    dataschema: str
    correlation: str | None
    data: bytes
    """As it was published."""
    nodes: tuple[str, ...]
    """Names of the nodes that it speaks of."""
    snapshot: bool = False
    """It says again what an earlier event has said, for whoever has lost that."""
    position: int = 0
    """In the history, growing; whoever has read up to it has missed nothing."""

    @property
    def row_id(self) -> str:
        """``service|key|sequence``: names the event for good."""
        return f"{self.service}|{self.key}|{self.sequence}"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A link, seen from one of its ends."""

    near: str
    far: str
    says: str
    event: str | None
    """The event that says so; None: the manifest of the dataset version does."""


@dataclass(slots=True)
class Step:
    """One node of an answer, and how it was reached."""

    node: str
    depth: int
    links: list[Neighbour] = field(default_factory=list)
    more: bool = False
    """It has neighbours that are not in the answer."""


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node with what is known of it."""

    name: str
    kind: str
    id: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StreamGap:
    """A stream of which events are missing."""

    service: str
    key: str
    events: int
    highest: int
    missing: tuple[int, ...]
    """The first of them."""


@dataclass(frozen=True, slots=True)
class Completeness:
    """Whether the history holds every event from the first of each stream on."""

    position: int
    events: int
    streams: int
    types: dict[str, int]
    gaps: tuple[StreamGap, ...]
