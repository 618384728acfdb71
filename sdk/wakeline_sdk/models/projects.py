"""Projects and their tasks, teams and people."""

from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

from wakeline_sdk.shapes import Wire


class Change(Wire):
    """One difference between a project's document and the one that is applied."""

    path: str
    before: Any = None
    after: Any = None


class Applied(Wire):
    """What applying a project's document changes, or changed."""

    project_id: str
    version: int
    diff: tuple[Change, ...]


class Project(Wire):
    """A project with its latest document."""

    project_id: str
    version: int
    ontology_version: int
    document: dict[str, Any]
    """To labelers and reviewers: `project`, `ontology`, and names of the `stages` they work in."""


class ProjectVersion(Wire):
    """One version of a project."""

    version: int
    at: datetime
    by: str
    """Opaque id of the person who applied it."""
    document: dict[str, Any]


class StageStatus(TypedDict):
    """How far a stage is."""

    stage_id: str
    serving_epoch: NotRequired[int]
    """This, and what says NotRequired below, labelers and reviewers are not told."""
    model_version: NotRequired[str | None]
    paired: NotRequired[bool]
    """Few assets: each goes to two people, one of them assisted."""
    slots: dict[str, int]
    """State (held, queued, leased, submitted, done) -> labels wanted, benchmarks apart."""
    arms: NotRequired[dict[str, dict[str, int]]]
    """Arm -> state -> labels wanted."""
    queued_by_epoch: NotRequired[dict[str, int]]
    """Serving epoch of the pre-label -> labels wanted; ``none``: no predictor has answered."""
    waits_for_others: int
    """Queued, but everybody in the team has had the task already."""


class Task(TypedDict):
    """One asset at one stage."""

    task_id: str
    stage_id: str
    asset_id: str
    arm: str
    holdout: bool
    paired: bool
    priority: int
    state: str
    accepted_label: str | None
    agreement: float | None
    """Mean agreement of the people whose labels count together, in [0, 1]."""
    opened_at: str


class TaskAction(Wire):
    """Something that is done with many tasks, and how far it is."""

    action_id: str
    action: str
    state: Literal["running", "done"]
    changed: int
    unchanged: dict[str, int] = {}
    """Why tasks stayed as they are -> how many."""
    filter: dict[str, Any] | None = None
    reason: str = ""
    by: str
    asked_at: datetime
    ended_at: datetime | None = None


class Team(Wire):
    """An internal team or a vendor."""

    team_id: str
    name: str
    kind: Literal["internal", "vendor"]
    cost_per_hour: float
    version: int


class Person(Wire):
    """A person; tokens and events name it by ``person_id`` only."""

    person_id: str
    name: str
    email: str | None = None
    team_id: str
    roles: tuple[str, ...] = ()


class PeopleStatistics(Wire):
    """How people did over some days; what cannot be said of nothing is None."""

    name: str
    """The person, team, stage or day that this is about."""
    labels: int
    seconds: float
    """Human time in sum."""
    median_seconds: float | None
    """Of a label, within 5 %."""
    p90_seconds: float | None
    accepted: int
    corrected: int
    rejected: int
    unreviewed: int
    benchmarks: int
    mean_benchmark_score: float | None
    compared: int
    """Labels that were compared with other people's of the same task."""
    mean_people_agreement: float | None
    assisted: int
    """Labels made with a pre-label in sight."""
    unchanged_share: float | None
    """Share of these that left every shape as it was shown."""
    cost: float | None
    """Hours times the team's rate as it is today."""
