"""What the provenance graph is made of: nodes, and links from what caused to what came of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a node stands for."""

    DATASET = "dataset"
    ASSET = "asset"
    PROJECT = "project"
    STAGE = "stage"
    TASK = "task"
    LEASE = "lease"
    LABEL = "label"
    REVIEW = "review"
    """One verdict on one label; an accepted one is what a dataset version holds."""
    BENCHMARK = "benchmark"
    PREDICTOR = "predictor"
    """A version of anything that proposes and was not trained here."""
    PREDICTION = "prediction"
    DATASET_VERSION = "dataset-version"
    RUN = "run"
    MODEL = "model"
    PERSON = "person"
    TEAM = "team"


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """One thing that events speak of."""

    kind: Kind
    id: str

    @property
    def name(self) -> str:
        """``kind:id``, unique in the graph."""
        return f"{self.kind}:{self.id}"

    @property
    def names(self) -> tuple[str, ...]:
        """What people may call it; the same bytes in two datasets are two assets of one digest."""
        match self.kind:
            case Kind.ASSET:
                return (self.id, self.id.rpartition(":")[2])
            case Kind.REVIEW | Kind.BENCHMARK | Kind.PREDICTOR:
                return ()  # their ids are made up here
            case Kind.LEASE:
                return ()  # some are task.slot.fence, which looks like a label, task.slot.round
            case _:
                return (self.id,)


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """``source`` had a part in ``target``; read as a sentence: source, says, target."""

    source: Node
    says: str
    target: Node


@dataclass
class Story:
    """What one event, or a batch of them, adds to the graph.

    A fact is set by events of one stream only, so that it is the same in whatever order the
    streams come; nodes and links are sets.
    """

    nodes: dict[Node, dict[str, Any]] = field(default_factory=dict)
    links: set[Link] = field(default_factory=set)
    snapshot: bool = False
    """Says state again: it adds what is not known, and changes nothing that is."""

    def node(self, kind: Kind, id: str, /, **facts: Any) -> Node:
        """Name a node, with facts to remember of it."""
        node = Node(kind, id)
        self.nodes.setdefault(node, {}).update(facts)
        return node

    def link(self, source: Node, says: str, *targets: Node) -> None:
        """Say that ``source`` had a part in each target."""
        self.links.update(Link(source, says, target) for target in targets)

    def names(self) -> list[str]:
        """The names of all its nodes."""
        return sorted(node.name for node in self.nodes)


FIELDS = {
    "dataset_id": Kind.DATASET,
    "asset_id": Kind.ASSET,
    "project_id": Kind.PROJECT,
    "stage_id": Kind.STAGE,
    "task_id": Kind.TASK,
    "lease_id": Kind.LEASE,
    "label_id": Kind.LABEL,
    "prediction_id": Kind.PREDICTION,
    "dataset_version": Kind.DATASET_VERSION,
    "run_id": Kind.RUN,
    "model_version": Kind.MODEL,
    "person_id": Kind.PERSON,
    "reviewer_id": Kind.PERSON,
    "team_id": Kind.TEAM,
}
"""What a field of these names holds in every event, of types that are not known here too."""


def named_in(data: dict[str, Any]) -> Iterable[Node]:
    """The nodes that an event's data names by fields of well-known names."""
    for name, kind in FIELDS.items():
        value = data.get(name)
        if isinstance(value, str) and value:
            yield Node(kind, value)
