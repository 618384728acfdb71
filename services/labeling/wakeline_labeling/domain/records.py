"""What the labeling service keeps: plain frozen data, as it lies in the database."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from wakeline_events.base import Asset
from wakeline_events.configuration import Ontology, ProjectDocument, StagePolicy
from wakeline_events.labeling import Arm, Effort, PinnedPrelabel
from wakeline_events.shapes import AnnotationSet, PredictionSet
from wakeline_geometry.shapes import Region
from wakeline_labeling.domain import names

SlotState = Literal["held", "queued", "leased", "submitted", "done"]
"""Held: waits for its task's first label. Submitted: waits for its verdict. Done: wants nothing."""
WAITING: tuple[SlotState, ...] = ("queued", "held")
"""States of a slot whose current round has no label yet, and no lease that is out."""
Order = Literal["uncertainty", "random", "fifo"]


class Record(BaseModel):
    """Plain frozen data; what an older or newer release wrote beside it is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Project(Record):
    """A project as it stands."""

    id: str
    version: int
    ontology_version: int
    """The version in which the ontology last changed: what a label was checked against."""
    document: ProjectDocument

    def stage(self, name: str) -> "Stage | None":
        """One of its stages by name, or None."""
        names = [policy.name for policy in self.document.stages]
        return Stage(self, names.index(name)) if name in names else None


class Stage:
    """One stage of a project, with all that its queue needs to know."""

    __slots__ = ("policy", "position", "project")

    def __init__(self, project: Project, position: int) -> None:
        self.project = project
        self.position = position
        """0 for the stage that tasks of new assets are opened in."""
        self.policy: StagePolicy = project.document.stages[position]

    @property
    def id(self) -> str:
        """``<project>/<stage>``."""
        return f"{self.project.id}/{self.policy.name}"

    @property
    def ontology(self) -> Ontology:
        """What its labels may say."""
        return self.project.document.ontology


class StageState(Record):
    """What changes about a stage while it is worked on."""

    id: str
    serving_epoch: int = 0
    model_version: str | None = None
    served_since: datetime | None = None
    paired: bool = False
    """Whether tasks were last opened in pairs, because the project had few assets."""
    presumed: dict[str, tuple[str, ...]] = {}
    """Dataset -> its groups of lowest rank, as of when tasks were last opened."""


class Team(Record):
    """People who work together, internal or from a vendor."""

    id: str
    name: str
    kind: Literal["internal", "vendor"]
    cost_per_hour: float
    version: int


class Person(Record):
    """Somebody who labels or reviews; name and address never leave this service."""

    id: str
    name: str
    email: str | None
    team_id: str
    roles: tuple[str, ...]


class Pin(Record):
    """Which prediction a slot has, or a lease has pinned."""

    prediction_id: str
    predictor: str
    predictor_version: str
    serving_epoch: int


class Answer(Record):
    """What the predictors last said about a task."""

    epoch: int = -1
    """Serving epoch of the answer; -1: none has come."""
    pin: Pin | None = None
    uncertainty: float | None = None


class Prelabel(Record):
    """A prediction's shapes, kept under its id and never changed."""

    id: str
    task_id: str
    shapes: PredictionSet


class Lease(Record):
    """One person's exclusive right to a slot; kept after its end, until the next one."""

    person_id: str
    team_id: str | None
    fence: int
    leased_at: datetime
    expires_at: datetime
    p_selected: float
    pin: Pin | None = None
    submitted_at: datetime | None = None


class Reservation(Record):
    """Whom a reopened slot waits for, and how long."""

    person_id: str | None = None
    """The one who made the rejected label; None: any expert."""
    expert: bool = False
    until: datetime | None = None
    """By the database's clock; None only where it has still to be filled in."""


class Slot(Record):
    """One label that is wanted: the unit of the queue."""

    id: str
    task_id: str
    number: int
    siblings: int
    """How many slots the task had when this one was opened, this one included."""
    project_id: str
    stage_id: str
    queue: str
    """``stage_id``; ``stage_id#benchmark``, of which each person is given their own; or
    ``stage_id#benchmark/<person>``, those."""
    asset: Asset
    focus_regions: tuple[Region, ...] = ()
    arm: Arm
    counts: bool
    paired: bool = False
    p_control: float
    state: SlotState
    round: int = 1
    fence: int = 0
    """Grows with every lease."""
    priority: int
    order: Order
    rank: float
    """Place in the queue below the priority: the lowest is next."""
    draw: float
    """Fixed number in [0, 1) that says into which stratum of uniform picks it falls."""
    opened_at: datetime
    ready_at: datetime
    """By the database's clock: from then on it may be leased without a pre-label."""
    answer: Answer = Answer()
    requested_epoch: int = 0
    """Serving epoch for which a pre-label was asked for beyond the usual ones."""
    people: tuple[str, ...] = ()
    """Everyone who ever leased it."""
    excluded: tuple[str, ...] = ()
    """Who must not get it: they saw the task in another slot, or skipped it."""
    drafts: tuple[str, ...] = ()
    """Who left unfinished work on it."""
    reserved: Reservation | None = None
    rework_of: str | None = None
    """The rejected label that this round replaces."""
    lease: Lease | None = None

    @property
    def untouched(self) -> bool:
        """Whether it was never leased nor labeled, by an import either: it may be decided anew."""
        return not self.people and self.state in WAITING and self.round == 1

    @property
    def lease_id(self) -> str:
        """The id of its last lease."""
        assert self.lease is not None
        return names.lease_id(self.task_id, self.lease.person_id, self.lease.fence)

    @property
    def wanted(self) -> int:
        """How many labels of its task count; each person has a slot of their own of a benchmark."""
        return 1 if self.arm == "benchmark" else max(1, self.siblings - self.paired)


class Task(Record):
    """One asset at one stage."""

    id: str
    project_id: str
    stage_id: str
    asset: Asset
    arm: Arm
    holdout: bool
    """Presumed to be on the hold-out side of the splits when it was opened."""
    paired: bool
    priority: int
    focus_regions: tuple[Region, ...] = ()
    state: Literal["open", "accepted", "closed", "cancelled"] = "open"
    accepted_label: str | None = None
    agreement: float | None = None
    """Mean agreement of the people whose labels count together, in [0, 1]; None of one."""
    companion_done: bool = False
    """Whether the second half of a pair has its label."""
    remade: tuple[str, ...] = ()
    """Labels that were cancelled with it and are made anew: a verdict on one closes nothing."""
    withdrawn: bool = False
    """Its image is not to be had: nobody gets it until the image is back."""
    opened_at: datetime


class Draft(Record):
    """Work of one person on one slot that is no label yet."""

    id: str
    slot_id: str
    person_id: str
    round: int
    annotations: AnnotationSet
    saved_at: datetime


class Acceptance(Record):
    """What became of a label in review."""

    label_id: str
    """The accepted label of the round; another one if several were merged."""
    verdict: Literal["accepted", "corrected", "unreviewed", "superseded"]
    reviewer_id: str | None
    annotations: AnnotationSet
    agreement: float | None = None
    benchmark_score: float | None = None


class Label(Record):
    """What one person submitted for one slot, and what became of it."""

    id: str
    project_id: str
    stage_id: str
    task_id: str
    slot_id: str
    slot: int
    round: int
    asset: Asset
    arm: Arm
    counts: bool
    p_control: float
    p_selected: float
    prelabel: PinnedPrelabel | None
    annotations: AnnotationSet
    digest: str
    """SHA-256 of what the client sent: tells a repeated submit from another one."""
    uses: tuple[str, ...]
    """Words of the ontology that it uses, see ``ontology.words_of``."""
    effort: Effort
    person_id: str
    team_id: str | None
    lease_id: str
    ontology_version: int
    submitted_at: datetime
    state: Literal["submitted", "accepted", "merged", "rejected"] = "submitted"
    acceptance: Acceptance | None = None


class Benchmark(Record):
    """The trusted label of an asset in a stage."""

    id: str
    stage_id: str
    asset_id: str
    digest: str
    truth: AnnotationSet
