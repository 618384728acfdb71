"""What people and predictors make: leases, labels, reviews and predictions."""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypedDict

from wakeline_sdk.shapes import Annotation, Predicted, Wire


class LeasedAsset(Wire):
    """What a labeler needs to know of an image."""

    asset_id: str
    digest: str
    width: int
    """Upright, in pixels."""
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
    round: int
    project_id: str
    stage_id: str
    asset: LeasedAsset
    ontology: dict[str, Any]
    prelabel: Prelabel | None
    draft: tuple[Annotation, ...] | None = None
    """What the person had begun, or handed in too late."""
    rework_of: str | None = None
    """The rejected label that this one replaces; its verdict carries the reviewer's comment."""
    focus_regions: tuple[tuple[float, float, float, float], ...] = ()
    leased_at: datetime
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


class Problem(Wire):
    """Why one of several was refused."""

    code: str
    detail: str
    problems: tuple[str, ...] = ()
    """Each thing that is wrong with the annotations."""


class SubmitReport(Wire):
    """What became of one of several submits: a label or a problem."""

    lease_id: str
    label: Submitted | None = None
    problem: Problem | None = None


class LeaseReport(Wire):
    """What became of one of several leases."""

    lease_id: str
    expires_at: datetime | None = None
    """Until when it lives on; None if it does not."""
    problem: Problem | None = None


class Sitting(Wire):
    """One attempt at an exam."""

    tasks: int
    """Handed in and graded so far."""
    mean_score: float | None
    passed: bool | None
    """None while it lasts."""
    ended_at: datetime | None


class Exam(Wire):
    """How a person's exam at a stage stands."""

    stage_id: str
    person_id: str
    state: Literal["open", "passed", "failed", "suspended"]
    attempts: tuple[Sitting, ...]
    being_graded: int
    mean_since: float | None
    """Mean of the last benchmark scores since it was passed."""


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
    """The accepted label of the round; another one if several were merged."""
    verdict: str
    reviewer_id: str | None
    annotations: tuple[Annotation, ...]
    agreement: float | None
    benchmark_score: float | None


class LabelRecord(Wire):
    """A label with everything that may be analysed."""

    label_id: str
    project_id: str
    stage_id: str
    task_id: str
    slot: int
    round: int
    asset: LeasedAsset
    group: str
    arm: str
    counts: bool
    """False for the half of a pair that only measures the saving."""
    state: str
    """submitted, accepted, merged (another one of its task counts) or rejected."""
    person_id: str
    team_id: str | None
    lease_id: str
    p_control: float
    p_selected: float
    prelabel: PinnedPrelabel | None
    annotations: tuple[Annotation, ...]
    accepted: Acceptance | None
    """None until the label counts."""
    effort: Effort
    ontology_version: int
    submitted_at: datetime


class BenchmarkReport(Wire):
    """What became of one trusted label."""

    asset_id: str
    status: Literal["set", "refused"]
    code: str | None = None
    detail: str = ""


class ReviewDraft(Wire):
    """A verdict that came too late, kept for the reviewer's next lease."""

    verdict: str
    annotations: tuple[Annotation, ...]


class LabelBeside(Wire):
    """One of the labels that are judged together."""

    label_id: str
    round: int
    annotations: tuple[Annotation, ...]
    agreement: float | None = None
    """Mean agreement with the others, in [0, 1]."""


class ReviewLease(Wire):
    """One label to judge, or all labels of a task side by side."""

    review_id: str
    lease_id: str
    fence: int
    label_id: str
    stage_id: str
    round: int
    asset: LeasedAsset
    annotations: tuple[Annotation, ...]
    """Those of the label; of several, what they amount to."""
    reasons: tuple[str, ...] = ()
    """Why an expert looks at it."""
    labels: tuple[LabelBeside, ...] = ()
    """Every label that is judged."""
    people_agreement: float | None = None
    """Mean agreement of every two of them, in [0, 1]; None of one."""
    draft: ReviewDraft | None = None
    expires_at: datetime


class Verdict(Wire):
    """What became of a label."""

    label_id: str
    state: str
    verdict: str | None
    """accepted, corrected, rejected or unreviewed; None: not yet."""
    agreement: float | None = None
    """With the corrected annotations, in [0, 1]."""
    comment: str | None = None
    """The reviewer's, for the labeler."""
    reasons: tuple[str, ...] = ()
    """Why an expert looked at it, or will."""


class ReviewAction(Wire):
    """Leases of reviews that a manager ended."""

    action_id: str
    action: str
    stage: str | None
    """None: in all stages of the project."""
    person_id: str
    """Whose they were."""
    released: int
    reason: str = ""
    by: str
    asked_at: datetime


class ReviewRecord(Verdict):
    """A review for statistics."""

    stage_id: str
    task_id: str
    asset_id: str
    slot: int
    round: int
    arm: str
    counts: bool
    person_id: str
    held_by: str | None = None
    """Who leases it, or did until the lease was over and nobody else took it."""
    reviewer_id: str | None
    seconds: float | None
    benchmark_score: float | None
    people_agreement: float | None = None
    """Mean agreement with the other labels of its task."""
    opened_at: datetime
    decided_at: datetime | None
    withdrawn: bool = False
    """Its image is not to be had: nobody gets it until the image is back."""


class UploadedPrediction(Wire):
    """What became of one uploaded prediction."""

    asset_id: str | None
    """None where the item named none."""
    status: Literal["stored", "refused"]
    code: str | None = None
    detail: str | None = None


class RefusedLine(Wire):
    """Why one of many lines was not stored."""

    line: int
    """From 1, in the order of sending."""
    asset_id: str | None
    code: str
    detail: str


class LinesReport(Wire):
    """What became of the lines of one request."""

    lines: int
    """Sent so far."""
    stored: int
    refused: list[RefusedLine]


class StoredPrediction(TypedDict):
    """A prediction as the platform keeps it."""

    prediction_id: str
    project: str
    stage_id: str
    task_id: str
    asset_id: str
    predictor: str
    predictor_version: str
    serving_epoch: int
    holdout: bool
    uncertainty: float
    """In [0, 1]."""
    at: str
    shapes: list[dict[str, Any]]


class PredictionStatus(Wire):
    """How far the predictions of a stage are: of its open tasks and its hold-out."""

    serving_epoch: int
    model_version: str | None
    """None: the stage's other predictors answer."""
    answered: int
    """Under the serving epoch."""
    failed: int
    stale: int
    """Answered under an earlier epoch."""
    unanswered: int


class ImportReport(Wire):
    """What became of a file of shapes, image by image."""

    stored: int
    """Images whose shapes the platform has now."""
    empty: int = 0
    """Images that were sent without any shape: nothing is on them, or was found."""
    refused: dict[str, str] = {}
    """Image -> why it was not taken."""
    left_out: dict[str, int] = {}
    """What the ontology cannot hold, in words -> how many shapes."""


class ExportedFile(Wire):
    """A file that the platform wrote."""

    path: Path
    bytes: int
    digest: str
    """SHA-256, in hex: equal exports have equal ones."""


class ExportReport(Wire):
    """What was written into a file."""

    images: int
    annotations: int
    left_out: dict[str, int] = {}
    """What the format cannot hold, in words -> how many annotations."""
