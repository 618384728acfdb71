"""What the platform answers with, typed."""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from wakeline_sdk.shapes import Annotation, Predicted, Wire


class Dataset(Wire):
    """A named collection of assets."""

    dataset_id: str
    name: str | None = None
    counts: dict[str, int] = {}
    """Assets by state."""


class StoredAsset(Wire):
    """What became of one uploaded file."""

    asset_id: str
    digest: str
    width: int
    height: int
    duplicate: bool
    """The dataset had these bytes already."""


class AssetRecord(Wire):
    """An asset as ingest knows it."""

    asset_id: str
    file_name: str | None = None
    digest: str
    width: int
    height: int
    group: str | None = None
    neighbours: tuple[str, ...] = ()
    state: str


class FileReport(Wire):
    """What became of one file of an upload."""

    path: Path
    asset: StoredAsset | None = None
    skipped: bool = False
    """It was there already, from an upload before."""
    code: str | None = None
    reason: str | None = None
    """Why it was refused."""


class UploadReport(Wire):
    """What became of every file of an upload."""

    files: tuple[FileReport, ...]

    @property
    def refused(self) -> tuple[FileReport, ...]:
        """The files that are not in the dataset, each with its reason."""
        return tuple(f for f in self.files if f.reason is not None)

    @property
    def stored(self) -> tuple[FileReport, ...]:
        """The files that are in the dataset now."""
        return tuple(f for f in self.files if f.reason is None)


class Change(Wire):
    """One difference between a project's document and the one that is applied."""

    path: str
    before: Any = None
    after: Any = None


class Applied(Wire):
    """What applying a project's document changes, or changed."""

    version: int
    diff: tuple[Change, ...]


class Project(Wire):
    """A project with its latest document."""

    project_id: str
    version: int
    document: dict[str, Any]


class Team(Wire):
    """An internal team or a vendor."""

    team_id: str
    name: str | None = None
    kind: Literal["internal", "vendor"]
    cost_per_hour: float


class Person(Wire):
    """A person; tokens and events name it by ``person_id`` only."""

    person_id: str
    name: str | None = None
    team_id: str | None = None
    roles: tuple[str, ...] = ()


class LeasedAsset(Wire):
    """What a labeler needs to know of an image."""

    asset_id: str
    digest: str
    width: int
    height: int
    bands: tuple[str, ...] = ()


class Prelabel(Wire):
    """The pre-label that a lease pinned."""

    prediction_id: str
    predictor: str
    predictor_version: str
    shapes: tuple[Predicted, ...]


class Lease(Wire):
    """One task, for one person, for a while."""

    lease_id: str
    fence: int
    task_id: str
    slot: int
    round: int
    stage_id: str
    asset: LeasedAsset
    ontology: dict[str, Any]
    prelabel: Prelabel | None
    draft: Any = None
    rework_of: str | None = None
    """The rejected label that this one replaces; its verdict carries the reviewer's comment."""
    focus_regions: tuple[tuple[float, float, float, float], ...] = ()
    expires_at: datetime


class Effort(Wire):
    """What a label cost, counted by the server."""

    confirmed: int
    edited: int
    drawn: int
    removed: int
    edit_ious: tuple[float, ...] = ()
    class_changes: int = 0
    client_seconds: float | None = None
    lease_seconds: float | None = None


class Submitted(Wire):
    """A label that the platform has."""

    label_id: str
    effort: Effort


class PinnedPrelabel(Wire):
    """Which pre-label a lease pinned, and whether its person saw it."""

    prediction_id: str
    predictor: str
    predictor_version: str
    serving_epoch: int
    shown: bool


class Acceptance(Wire):
    """What a label became in review."""

    label_id: str
    verdict: str
    reviewer_id: str | None
    annotations: tuple[Annotation, ...]
    agreement: float | None
    benchmark_score: float | None


class LabelRecord(Wire):
    """A label with everything that may be analysed."""

    label_id: str
    task_id: str
    stage_id: str
    slot: int
    round: int
    asset: LeasedAsset
    arm: str
    counts: bool
    """False for the half of a pair that only measures the saving."""
    state: str
    person_id: str
    p_control: float
    p_selected: float
    prelabel: PinnedPrelabel | None
    annotations: tuple[Annotation, ...]
    accepted: Acceptance | None
    """None until the label counts."""
    effort: Effort
    submitted_at: datetime


class ReviewLease(Wire):
    """One label to judge."""

    review_id: str
    lease_id: str
    fence: int
    label_id: str
    stage_id: str
    round: int
    asset: LeasedAsset
    annotations: tuple[Annotation, ...]
    draft: Any = None
    expires_at: datetime


class Verdict(Wire):
    """What became of a label."""

    label_id: str
    state: str
    verdict: str | None
    agreement: float | None = None
    comment: str | None = None


class ReviewRecord(Verdict):
    """A review for statistics."""

    task_id: str
    asset_id: str
    arm: str
    counts: bool
    person_id: str
    reviewer_id: str | None
    seconds: float | None
    benchmark_score: float | None


class UploadedPrediction(Wire):
    """What became of one uploaded prediction."""

    asset_id: str
    status: Literal["stored", "refused"]
    code: str | None = None
    detail: str | None = None


class Gate(Wire):
    """Whether a model may serve, with the numbers that decided it."""

    verdict: Literal["passed", "blocked", "underpowered"]
    comparator: str
    holdout_assets: int
    difference: float | None = None
    upper_90: float | None = None
    smallest_detectable: float | None = None
    reasons: tuple[str, ...] = ()


class Run(Wire):
    """A training run."""

    run_id: str
    project: str
    stage: str
    number: int
    state: str
    attempt: int
    dataset_version: str | None
    progress: dict[str, Any] | None
    metrics: dict[str, Any]
    """The trainer's own."""
    model_version: str | None
    gate: Gate | None
    failure: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class ModelVersion(Wire):
    """A model version with its metrics and the gate's verdict."""

    model_version: str
    project: str
    stage: str
    number: int
    run_id: str
    dataset_version: str
    metrics: dict[str, float]
    """On the whole hold-out: ``ap``, ``ap50``, ``ap/<class>``, ``mean_iou/<class>``."""
    comparator_metrics: dict[str, float]
    gate: Gate
    serving: bool
    created_at: datetime


class DatasetVersion(Wire):
    """A frozen dataset version."""

    dataset_version: str
    project: str
    stage: str
    dataset_ids: tuple[str, ...]
    splits: dict[str, dict[str, int]]
    left_out: dict[str, int]
    created_at: datetime


class TroubledEvent(Wire):
    """An event that is dead, waiting or parked."""

    id: str
    topic: str
    key: str
    sequence: int
    type: str
    tries: int = 0
    cause: str | None = None
    name: str | None = None
    data: str | None = None


class Backlog(Wire):
    """How far a service is behind."""

    outbox_rows: int
    outbox_oldest_seconds: float
    dead: int
    parked: int
    waiting: int
    jobs: dict[str, int]
