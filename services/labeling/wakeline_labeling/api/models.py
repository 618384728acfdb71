"""Projects, teams and people as they are on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from wakeline_auth import Role
from wakeline_events.configuration import Ontology, ProjectDocument
from wakeline_events.labeling import Arm
from wakeline_events.strict import Strict
from wakeline_labeling.domain.records import Person, Project, Task, Team
from wakeline_labeling.domain.teams import Colleague
from wakeline_labeling.usecases.configuring import Applied
from wakeline_labeling.usecases.watching import Status


class ChangeOut(BaseModel):
    """One difference that a document makes."""

    path: str
    before: Any
    after: Any


class WorkStage(BaseModel):
    """A stage, for those who work in it."""

    name: str


class WorkDocument(BaseModel):
    """What of a project's document its labelers and reviewers need.

    No shares, pass marks and limits, nor other teams and their stages.
    """

    project: str
    ontology: Ontology
    stages: list[WorkStage]
    """Those in which the caller works."""


class ProjectOut(BaseModel):
    """A project as it stands."""

    project_id: str
    version: int
    ontology_version: int
    document: ProjectDocument | WorkDocument

    @classmethod
    def of(cls, project: Project) -> "ProjectOut":
        """As it is told."""
        return cls(
            project_id=project.id,
            version=project.version,
            ontology_version=project.ontology_version,
            document=project.document,
        )

    @classmethod
    def to(cls, project: Project, colleague: Colleague | None) -> "ProjectOut | None":
        """As somebody is told who may only work in it, if they do; None stands for all others."""
        if colleague is None:
            return cls.of(project)
        document = project.document
        stages = [WorkStage(name=s.name) for s in document.stages if colleague.works_in(s)]
        if not stages:
            return None
        work = WorkDocument(project=document.project, ontology=document.ontology, stages=stages)
        return cls.of(project).model_copy(update={"document": work})


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


class TeamIn(Strict):
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


class PersonIn(Strict):
    """Somebody new."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    email: Annotated[str, Field(max_length=320)] | None = None
    team_id: str
    roles: Annotated[list[Role], Field(min_length=1)]


class PersonChange(Strict):
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


class StageProgress(BaseModel):
    """How much of a stage is done, for those who work in it."""

    stage_id: str
    slots: dict[str, int]
    """State (held, queued, leased, submitted, done) -> labels wanted, benchmarks apart;
    ``withdrawn``: queued or held, and their image is not to be had."""
    waits_for_others: int
    """Queued, but everybody in the team has had the task already: add a person to the team."""

    @classmethod
    def of(cls, stage_id: str, status: Status) -> "StageProgress":
        """As it is told."""
        states = ("held", "queued", "leased", "submitted", "done", "withdrawn")
        return cls(
            stage_id=stage_id,
            slots={state: status.states[state] for state in states},
            waits_for_others=status.waits_for_others,
        )


class StageStatus(StageProgress):
    """How far a stage is."""

    serving_epoch: int
    model_version: str | None
    paired: bool
    """Few assets: each goes to two people, one of them assisted."""
    arms: dict[str, dict[str, int]]
    """Arm -> state -> labels wanted."""
    queued_by_epoch: dict[str, int]
    """Serving epoch of the pre-label -> labels wanted; ``none``: no predictor has answered."""

    @classmethod
    def of(cls, stage_id: str, status: Status) -> "StageStatus":
        """As it is told."""
        return cls(
            **StageProgress.of(stage_id, status).model_dump(),
            serving_epoch=status.stage.serving_epoch,
            model_version=status.stage.model_version,
            paired=status.paired,
            arms={arm: dict(counted) for arm, counted in sorted(status.arms.items())},
            queued_by_epoch={
                "none" if epoch < 0 else str(epoch): n for epoch, n in sorted(status.epochs.items())
            },
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
    agreement: float | None
    """Mean agreement of the people whose labels count together."""
    opened_at: datetime
    withdrawn: bool
    """Its image is not to be had: nobody gets it until the image is back."""

    @classmethod
    def of(cls, task: Task) -> "TaskOut":
        """As it is told."""
        return cls(task_id=task.id, asset_id=task.asset.asset_id, **task.model_dump(include=_TASK))


_TASK = {
    "stage_id",
    "arm",
    "holdout",
    "paired",
    "priority",
    "state",
    "accepted_label",
    "agreement",
    "opened_at",
    "withdrawn",
}
