"""What goes out of the routes of lineage."""

from datetime import datetime
from typing import Any

import orjson
from pydantic import BaseModel

from wakeline_http import Page
from wakeline_lineage.domain.records import (
    Completeness,
    KeptEvent,
    Neighbour,
    NodeRecord,
    Step,
    StreamGap,
)


class LinkOut(BaseModel):
    """How a node was reached."""

    node: str
    """The nearer one."""
    says: str
    """Read as: what had a part, says, what came of it."""
    event: str | None
    """``service|key|sequence`` of an event that says so; none: the version's manifest does."""

    @classmethod
    def of(cls, link: Neighbour) -> "LinkOut":
        """A link from its nearer end."""
        return cls(node=link.near, says=link.says, event=link.event)


class NodeOut(BaseModel):
    """One thing that events speak of."""

    node: str
    """``kind:id``"""
    kind: str
    id: str
    facts: dict[str, Any]


class StepOut(NodeOut):
    """A node of an answer."""

    depth: int
    """Links away from what was asked for."""
    links: list[LinkOut]
    more: bool
    """Not all of its neighbours are in the answer: ask for this node, or for its neighbours."""

    @classmethod
    def of(cls, step: Step, node: NodeRecord) -> "StepOut":
        """A step with what is known of its node."""
        return cls(
            node=node.name,
            kind=node.kind,
            id=node.id,
            facts=node.facts,
            depth=step.depth,
            links=[LinkOut.of(link) for link in step.links],
            more=step.more,
        )


class WalkOut(Page[StepOut]):
    """One page of an answer, nearest nodes first."""

    position: int
    """The answer holds what the history told up to here, on all of its pages."""
    nodes: int
    """Of the whole answer."""
    complete: bool
    """No node of the answer has ``more``."""


class NeighbourOut(NodeOut):
    """A node that hangs on the one that was asked for."""

    says: str
    event: str | None

    @classmethod
    def of_link(cls, link: Neighbour, node: NodeRecord) -> "NeighbourOut":
        """A link with what is known of its farther end."""
        return cls(
            node=node.name,
            kind=node.kind,
            id=node.id,
            facts=node.facts,
            says=link.says,
            event=link.event,
        )


class EventOut(BaseModel):
    """An event of the history."""

    position: int
    event: str
    """``service|key|sequence``"""
    id: str
    """``ce_id``, which is what it was called on its topic."""
    service: str
    type: str
    key: str
    sequence: int
    time: datetime
    dataschema: str
    correlation: str | None
    nodes: list[str]
    snapshot: bool
    """It says again what an earlier event has said: republishing sends such."""
    data: Any
    """As it was published."""

    @classmethod
    def of(cls, event: KeptEvent) -> "EventOut":
        """An event with its data read."""
        return cls(
            position=event.position,
            event=event.row_id,
            id=event.id,
            service=event.service,
            type=event.type,
            key=event.key,
            sequence=event.sequence,
            time=event.time,
            dataschema=event.dataschema,
            correlation=event.correlation,
            nodes=list(event.nodes),
            snapshot=event.snapshot,
            data=orjson.loads(event.data),
        )


class GapOut(BaseModel):
    """A stream of which events are missing."""

    service: str
    key: str
    events: int
    highest: int
    missing: list[int]
    """The first hundred sequences that are not there."""

    @classmethod
    def of(cls, gap: StreamGap) -> "GapOut":
        """A gap with the first of its missing sequences."""
        return cls(
            service=gap.service,
            key=gap.key,
            events=gap.events,
            highest=gap.highest,
            missing=list(gap.missing),
        )


class GapsOut(BaseModel):
    """Whether every stream is there from its first event on."""

    position: int
    events: int
    streams: int
    types: dict[str, int]
    """Event type -> how many there are."""
    gaps: list[GapOut]
    """Streams with events missing, the first hundred; empty: nothing is missing."""

    @classmethod
    def of(cls, found: Completeness) -> "GapsOut":
        """What the history holds, and lacks."""
        return cls(
            position=found.position,
            events=found.events,
            streams=found.streams,
            types=found.types,
            gaps=[GapOut.of(gap) for gap in found.gaps],
        )


class ChangesOut(BaseModel):
    """What has happened since."""

    items: list[EventOut]
    position: int
    """Ask on with ``after`` this."""
    head: int
    """Where the history ended when this was asked."""
