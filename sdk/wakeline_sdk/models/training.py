"""Training runs, model versions and dataset versions."""

from datetime import datetime
from typing import Any, Literal

from wakeline_sdk.shapes import Wire


class Gate(Wire):
    """Whether a model may serve, with the numbers that decided it."""

    verdict: Literal["passed", "blocked", "underpowered"]
    comparator: str
    """The predictor version that served when the gate was asked."""
    holdout_assets: int
    difference: float | None = None
    """Macro AP of the candidate minus that of the comparator."""
    upper_90: float | None = None
    """One-sided 90 % upper bound of the difference."""
    per_class_upper_95: dict[str, float] = {}
    smallest_detectable: float | None = None
    """A true loss of this size would be blocked with probability 0.8."""
    reasons: tuple[str, ...] = ()


class Run(Wire):
    """A training run."""

    run_id: str
    project: str
    stage: str
    number: int
    cause: str
    """``labels``: enough new ones; ``person``: somebody asked for it."""
    requested_by: str | None = None
    parameters: dict[str, Any] = {}
    state: str
    """freezing, training, gating; and in the end completed, failed or cancelled."""
    attempt: int
    dataset_version: str | None
    base_model: str | None = None
    """The model version that training began with."""
    progress: dict[str, Any] | None
    """The latest ``step``, ``of``, ``loss`` and ``at`` that the trainer told."""
    waiting_for: str | None = None
    """What keeps the trainer from beginning, in words: quota, a node, its image."""
    setback: str | None = None
    """Why the latest attempt that made no model did not."""
    metrics: dict[str, Any]
    """The trainer's own."""
    model_version: str | None
    gate: Gate | None
    failure: dict[str, Any] | None
    """``code`` and ``detail`` of a run that made no model."""
    created_at: datetime
    started_at: datetime | None
    gating_since: datetime | None = None
    ended_at: datetime | None


class Publication(Wire):
    """One decision that a model should serve."""

    serving_epoch: int
    at: datetime
    by: str | None
    """None: the gate."""
    forced: bool = False
    reason: str | None = None


class ModelVersion(Wire):
    """A model version with its metrics and the gate's verdict."""

    model_version: str
    project: str
    stage: str
    number: int
    run_id: str
    dataset_version: str
    base_model: str | None = None
    """The model version that its training began with."""
    metrics: dict[str, float]
    """On the whole hold-out: ``ap``, ``ap50``, ``ap/<class>``, ``mean_iou/<class>``."""
    comparator_metrics: dict[str, float]
    """The same of what served then."""
    gate: Gate
    serving: bool
    publications: tuple[Publication, ...] = ()
    created_at: datetime


class Serving(Wire):
    """What serves a stage now."""

    project: str
    stage: str
    serving_epoch: int
    serving: str | None
    """None: the stage's other predictors."""
    earlier: tuple[str, ...] = ()
    """What a rollback leads to, the nearest last."""


class SplitCounts(Wire):
    """How much stands in one split."""

    assets: int
    annotations: int


class DatasetVersion(Wire):
    """A frozen dataset version; its name is the SHA-256 of its manifest."""

    dataset_version: str
    project: str
    stage: str
    dataset_ids: tuple[str, ...]
    splits: dict[str, SplitCounts]
    left_out: dict[str, int]
    """Assets with an accepted label that stand in no split, by reason."""
    created_at: datetime
