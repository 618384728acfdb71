"""Requests and answers as they are on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wakeline_auth import Role
from wakeline_events.configuration import Ontology, ProjectDocument
from wakeline_events.labeling import Arm, Effort, PinnedPrelabel
from wakeline_geometry.shapes import Annotation, Predicted
from wakeline_labeling.domain import names
from wakeline_labeling.domain.records import Label, Person, Project, Region, Slot, Task, Team
from wakeline_labeling.usecases.configuring import Applied
from wakeline_labeling.usecases.leasing import LeaseView
from wakeline_labeling.usecases.watching import Status


class Body(BaseModel):
    """A request: a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid")


class ChangeOut(BaseModel):
    """One difference that a document makes."""

    path: str
    before: Any
    after: Any


class ProjectOut(BaseModel):
    """A project as it stands."""

    project_id: str
    version: int
    ontology_version: int
    document: ProjectDocument

    @classmethod
    def of(cls, project: Project) -> "ProjectOut":
        """As it is told."""
        return cls(
            project_id=project.id,
            version=project.version,
            ontology_version=project.ontology_version,
            document=project.document,
        )


class AppliedOut(BaseModel):
    """What applying a document changed, or with ``dry_run`` would change."""

    project_id: str
    version: int
    diff: list[ChangeOut]

    @classmethod
    def of(cls, applied: Applied) -> "AppliedOut":
        """As it is told."""
        diff = [ChangeOut(path=c.path, before=c.before, after=c.after) for c in applied.changes]
        return cls(project_id=applied.project.id, version=applied.project.version, diff=diff)


class VersionOut(BaseModel):
    """One version of a project."""

    version: int
    at: datetime
    by: str
    document: ProjectDocument


class TeamIn(Body):
    """What is said of a team."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Literal["internal", "vendor"] = "internal"
    cost_per_hour: Annotated[float, Field(ge=0, le=100_000)] = 0.0


class TeamOut(TeamIn):
    """A team."""

    team_id: str
    version: int

    @classmethod
    def of(cls, team: Team) -> "TeamOut":
        """As it is told."""
        return cls(
            team_id=team.id,
            name=team.name,
            kind=team.kind,
            cost_per_hour=team.cost_per_hour,
            version=team.version,
        )


class PersonIn(Body):
    """Somebody new."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    email: Annotated[str, Field(max_length=320)] | None = None
    team_id: str
    roles: Annotated[list[Role], Field(min_length=1)]


class PersonChange(Body):
    """What changes about somebody; what is left out stays."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    email: Annotated[str, Field(max_length=320)] | None = None
    team_id: str | None = None
    roles: Annotated[list[Role], Field(min_length=1)] | None = None


class PersonOut(BaseModel):
    """Somebody."""

    person_id: str
    name: str
    email: str | None
    team_id: str
    roles: list[str]

    @classmethod
    def of(cls, person: Person) -> "PersonOut":
        """As it is told."""
        return cls(
            person_id=person.id,
            name=person.name,
            email=person.email,
            team_id=person.team_id,
            roles=list(person.roles),
        )


class LeaseRequest(Body):
    """How many tasks are wanted."""

    count: Annotated[int, Field(ge=1, le=50)] = 1


class LeasedAsset(BaseModel):
    """What a labeler needs to know of an image; its pixels come by the lease."""

    asset_id: str
    digest: str
    width: int
    height: int
    bands: list[str]


class PrelabelOut(BaseModel):
    """The pre-label to show."""

    prediction_id: str
    predictor: str
    predictor_version: str
    shapes: list[Predicted]


class LeaseOut(BaseModel):
    """One lease. It does not say which arm its task is in: benchmarks look like any other."""

    lease_id: str
    fence: int
    task_id: str
    slot: int
    round: int
    project_id: str
    stage_id: str
    asset: LeasedAsset
    ontology: Ontology
    prelabel: PrelabelOut | None
    draft: list[Annotation] | None
    rework_of: str | None
    focus_regions: list[Region]
    leased_at: datetime
    expires_at: datetime
    p_selected: float

    @classmethod
    def of(cls, view: LeaseView) -> "LeaseOut":
        """As its holder is told."""
        slot, lease = view.slot, view.lease
        return cls.model_construct(
            lease_id=names.lease_id(slot.id, lease.fence),
            fence=lease.fence,
            task_id=slot.task_id,
            slot=slot.number,
            round=slot.round,
            project_id=slot.project_id,
            stage_id=slot.stage_id,
            asset=leased_asset(slot),
            ontology=view.ontology,
            prelabel=_prelabel(view),
            draft=None if view.draft is None else list(view.draft),
            rework_of=slot.rework_of,
            focus_regions=list(slot.focus_regions),
            leased_at=lease.leased_at,
            expires_at=lease.expires_at,
            p_selected=lease.p_selected,
        )


def leased_asset(slot: Slot) -> LeasedAsset:
    """The asset of a slot, without where its bytes lie."""
    asset = slot.asset
    return LeasedAsset(
        asset_id=asset.asset_id,
        digest=asset.digest,
        width=asset.width,
        height=asset.height,
        bands=sorted(asset.bands),
    )


def _prelabel(view: LeaseView) -> PrelabelOut | None:
    if view.pin is None:
        return None
    return PrelabelOut.model_construct(
        prediction_id=view.pin.prediction_id,
        predictor=view.pin.predictor,
        predictor_version=view.pin.predictor_version,
        shapes=list(view.shapes),
    )


class LeasesOut(BaseModel):
    """Leases that the caller holds."""

    leases: list[LeaseOut]


class Reason(Body):
    """Why a lease is given back."""

    reason: Annotated[str, Field(max_length=1_000)] = ""


class Ended(BaseModel):
    """The lease is over."""

    lease_id: str
    reason: str


class Heartbeat(BaseModel):
    """The lease lives on."""

    lease_id: str
    expires_at: datetime


class DraftIn(Body):
    """Unfinished work."""

    fence: int
    annotations: list[Annotation]


class DraftOut(BaseModel):
    """The work is kept."""

    lease_id: str
    saved_at: datetime


class SubmitIn(Body):
    """All annotations of a task. What it says of ``origin`` is overwritten."""

    fence: int
    annotations: list[Annotation]
    seconds: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None
    """Human time as the client measured it."""


class SubmitOut(BaseModel):
    """The lease became a label."""

    label_id: str
    effort: Effort


class StageStatus(BaseModel):
    """How far a stage is."""

    stage_id: str
    serving_epoch: int
    model_version: str | None
    paired: bool
    """Few assets: each goes to two people, one of them assisted."""
    slots: dict[str, int]
    """State (held, queued, leased, submitted, done) -> labels wanted, benchmarks apart."""
    arms: dict[str, dict[str, int]]
    """Arm -> state -> labels wanted."""
    queued_by_epoch: dict[str, int]
    """Serving epoch of the pre-label -> labels wanted; ``none``: no predictor has answered."""
    waits_for_others: int
    """Queued, but everybody in the team has had the task already: add a person to the team."""

    @classmethod
    def of(cls, stage_id: str, status: Status) -> "StageStatus":
        """As it is told."""
        states = ("held", "queued", "leased", "submitted", "done")
        return cls(
            stage_id=stage_id,
            serving_epoch=status.stage.serving_epoch,
            model_version=status.stage.model_version,
            paired=status.paired,
            slots={state: status.states[state] for state in states},
            arms={arm: dict(counted) for arm, counted in sorted(status.arms.items())},
            queued_by_epoch={
                "none" if epoch < 0 else str(epoch): n for epoch, n in sorted(status.epochs.items())
            },
            waits_for_others=status.waits_for_others,
        )


class TaskOut(BaseModel):
    """A task."""

    task_id: str
    stage_id: str
    asset_id: str
    arm: Arm
    holdout: bool
    paired: bool
    priority: int
    state: str
    accepted_label: str | None
    opened_at: datetime

    @classmethod
    def of(cls, task: Task) -> "TaskOut":
        """As it is told."""
        return cls(task_id=task.id, asset_id=task.asset.asset_id, **task.model_dump(include=_TASK))


_TASK = {"stage_id", "arm", "holdout", "paired", "priority", "state", "accepted_label", "opened_at"}


class AcceptanceOut(BaseModel):
    """What became of a label in review."""

    label_id: str
    verdict: str
    reviewer_id: str | None
    annotations: list[Annotation]
    agreement: float | None
    benchmark_score: float | None


class LabelOut(BaseModel):
    """A label with all that an export or an analysis needs."""

    label_id: str
    project_id: str
    stage_id: str
    task_id: str
    slot: int
    round: int
    asset: LeasedAsset
    group: str
    arm: Arm
    counts: bool
    p_control: float
    p_selected: float
    prelabel: PinnedPrelabel | None
    annotations: list[Annotation]
    effort: Effort
    person_id: str
    team_id: str | None
    lease_id: str
    ontology_version: int
    submitted_at: datetime
    state: str
    accepted: AcceptanceOut | None

    @classmethod
    def of(
        cls,
        label: Label,
        annotations: tuple[Annotation, ...],
        accepted: tuple[Annotation, ...] | None,
    ) -> "LabelOut":
        """As it is told, with its geometry at hand."""
        asset, acceptance = label.asset, label.acceptance
        fields = {name: getattr(label, name) for name in _LABEL}
        told = None
        if acceptance is not None and accepted is not None:
            verdict = acceptance.model_dump(exclude={"annotations"})
            told = AcceptanceOut.model_construct(**verdict, annotations=list(accepted))
        return cls.model_construct(
            label_id=label.id,
            asset=LeasedAsset(
                asset_id=asset.asset_id,
                digest=asset.digest,
                width=asset.width,
                height=asset.height,
                bands=sorted(asset.bands),
            ),
            group=asset.group,
            annotations=list(annotations),
            accepted=told,
            **fields,
        )


_LABEL = (
    "project_id",
    "stage_id",
    "task_id",
    "slot",
    "round",
    "arm",
    "counts",
    "p_control",
    "p_selected",
    "prelabel",
    "effort",
    "person_id",
    "team_id",
    "lease_id",
    "ontology_version",
    "submitted_at",
    "state",
)


class BenchmarkIn(Body):
    """The trusted label of one asset."""

    asset_id: str
    annotations: list[Annotation]


class BenchmarksIn(Body):
    """Trusted labels."""

    items: Annotated[list[BenchmarkIn], Field(min_length=1, max_length=1_000)]


class BenchmarkOut(BaseModel):
    """What became of one trusted label."""

    asset_id: str
    status: Literal["set", "refused"]
    code: str | None = None
    detail: str = ""


class BenchmarksOut(BaseModel):
    """What became of each trusted label, those that are set first."""

    items: list[BenchmarkOut]
