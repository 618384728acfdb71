"""Events the labeling service publishes on the topic ``wakeline.labeling``."""

from functools import partial
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from wakeline_events.base import (
    Asset,
    AssetEvent,
    Event,
    LabelId,
    Moment,
    PersonId,
    ProjectId,
    ServiceName,
    StageId,
    TaskId,
    TeamId,
    Value,
)
from wakeline_events.configuration import ProjectDocument, known_part
from wakeline_events.shapes import AnnotationSet
from wakeline_geometry.shapes import Region

Arm = Literal["assisted", "control", "holdout", "benchmark"]
"""Shown with pre-labels; drawn without for comparison; without because it must stay unbiased."""
Share = Annotated[float, Field(ge=0, le=1)]


class ProjectConfigured(Event):
    """A project was created or changed; carries all of it."""

    TYPE: ClassVar[str] = "project.configured"
    VERSION: ClassVar[str] = "1.4"
    PRODUCER: ClassVar[ServiceName] = "labeling"
    project_id: ProjectId
    version: int
    document: Annotated[ProjectDocument, BeforeValidator(partial(known_part, ProjectDocument))]

    @property
    def key(self) -> str:
        """All versions of one project keep their order."""
        return f"project:{self.project_id}"


class Member(Value):
    """A person of a team; who that is stays in the labeling service."""

    person_id: PersonId
    roles: tuple[str, ...]


class TeamConfigured(Event):
    """A team was created or changed; carries all of it."""

    TYPE: ClassVar[str] = "team.configured"
    PRODUCER: ClassVar[ServiceName] = "labeling"
    team_id: TeamId
    version: int
    kind: Literal["internal", "vendor"]
    cost_per_hour: float
    members: tuple[Member, ...]

    @property
    def key(self) -> str:
        """All versions of one team keep their order."""
        return f"team:{self.team_id}"


class BenchmarkSet(AssetEvent):
    """An asset has a trusted label now: it scores people and gates models, and never trains."""

    TYPE: ClassVar[str] = "benchmark.set"
    VERSION: ClassVar[str] = "1.1"
    PRODUCER: ClassVar[ServiceName] = "labeling"
    project_id: ProjectId
    stage_id: StageId
    asset: Asset
    truth: AnnotationSet
    focus_regions: tuple[Region, ...] = ()
    """What its task is about: nothing is known outside of these; none: all of it; since 1.1."""


class TaskOpened(AssetEvent):
    """One asset at one stage waits for people."""

    TYPE: ClassVar[str] = "task.opened"
    PRODUCER: ClassVar[ServiceName] = "labeling"
    project_id: ProjectId
    stage_id: StageId
    task_id: TaskId
    asset: Asset
    holdout: bool
    """Predicted like every task, but its pre-label is never shown."""
    focus_regions: tuple[Region, ...] = ()
    """Boxes (x_min, y_min, x_max, y_max) in pixels that the task is about; none: all of it."""
    priority: int


class TaskClosed(AssetEvent):
    """Nobody works on this task any more."""

    TYPE: ClassVar[str] = "task.closed"
    PRODUCER: ClassVar[ServiceName] = "labeling"
    stage_id: StageId
    task_id: TaskId
    reason: Literal["labeled", "cancelled"]


class PredictionRequested(AssetEvent):
    """A queued task wants a pre-label of the serving epoch."""

    TYPE: ClassVar[str] = "prediction.requested"
    PRODUCER: ClassVar[ServiceName] = "labeling"
    stage_id: StageId
    task_id: TaskId
    priority: int


class LeaseEnded(AssetEvent):
    """Somebody saw an asset and made no label of it."""

    TYPE: ClassVar[str] = "lease.ended"
    PRODUCER: ClassVar[ServiceName] = "labeling"
    stage_id: StageId
    task_id: TaskId
    slot: int
    lease_id: str
    person_id: PersonId
    team_id: TeamId | None
    leased_at: Moment
    ended_at: Moment
    reason: Literal["expired", "returned", "skipped", "cancelled"]


class PinnedPrelabel(Value):
    """The pre-label that a lease pinned, whether or not it was shown."""

    prediction_id: str
    predictor: str
    predictor_version: str
    serving_epoch: int
    shown: bool


class Effort(Value):
    """What one label cost, counted by the server from the pinned pre-label."""

    confirmed: int
    edited: int
    drawn: int
    removed: int
    edit_ious: tuple[float, ...] = ()
    """IoU between shown and submitted geometry, one for each edited shape."""
    class_changes: int = 0
    client_seconds: float | None = None
    """What the labeler's client measured, in seconds of human time."""
    lease_seconds: float
    """From lease to submit by the server's clock."""


IMPORT = "import:"
"""Before the name of an import that stands in a person's place."""


class LabelCompleted(AssetEvent):
    """A person submitted all annotations of one slot of a task."""

    TYPE: ClassVar[str] = "label.completed"
    VERSION: ClassVar[str] = "1.2"
    PRODUCER: ClassVar[ServiceName] = "labeling"
    label_id: LabelId
    project_id: ProjectId
    stage_id: StageId
    task_id: TaskId
    slot: int
    round: int
    asset: Asset
    arm: Arm
    counts: bool
    """False for the half of a pair that is made only to measure the saving."""
    p_control: Share
    p_selected: Share
    """Probability with which this task was picked from the queue, for unbiased estimates."""
    prelabel: PinnedPrelabel | None
    annotations: AnnotationSet
    effort: Effort
    person_id: PersonId
    team_id: TeamId | None
    lease_id: str
    ontology_version: int
    submitted_at: Moment
    n_labels: Annotated[int, Field(ge=1)] | None = None
    """How many labels of its task count: they are judged together; since 1.1."""
    focus_regions: tuple[Region, ...] = ()
    """What its task is about: nothing is known outside of these; none: all of it; since 1.2."""

    @property
    def imported(self) -> bool:
        """Whether it was made elsewhere: it counts, and measures nobody and nothing."""
        return self.person_id.startswith(IMPORT)
