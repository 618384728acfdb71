"""Events the training service publishes on the topic ``wakeline.training``."""

from typing import ClassVar, Literal

from wakeline_events.base import DatasetId, PersonId, ServiceName, StageEvent, Value


class SplitCounts(Value):
    """How many assets and annotations stand in one split."""

    assets: int
    annotations: int


class DatasetFrozen(StageEvent):
    """A dataset version exists: immutable, and named by the digest of its content."""

    TYPE: ClassVar[str] = "dataset.frozen"
    PRODUCER: ClassVar[ServiceName] = "training"
    dataset_version: str
    """SHA-256 of the manifest, in hex."""
    dataset_ids: tuple[DatasetId, ...]
    manifest_key: str
    """Key of the JSON lines in the bucket ``datasets``."""
    splits: dict[str, SplitCounts]


class TrainingStarted(StageEvent):
    """A training run began."""

    TYPE: ClassVar[str] = "training.started"
    PRODUCER: ClassVar[ServiceName] = "training"
    run_id: str
    attempt: int
    dataset_version: str


class TrainingFailed(StageEvent):
    """A training run was given up."""

    TYPE: ClassVar[str] = "training.failed"
    PRODUCER: ClassVar[ServiceName] = "training"
    run_id: str
    attempt: int
    reason: str


class Gate(Value):
    """Whether a model may serve, with the numbers that decided it."""

    verdict: Literal["passed", "blocked", "underpowered"]
    comparator: str
    """The predictor version that served when the gate was asked."""
    holdout_assets: int
    difference: float | None = None
    """Macro AP of the candidate minus that of the comparator."""
    upper_90: float | None = None
    """One-sided 90 % upper bound of the difference (paired bootstrap over assets)."""
    per_class_upper_95: dict[str, float] = {}
    smallest_detectable: float | None = None
    """A true loss of this size would be blocked with probability 0.8: the power of the test."""
    reasons: tuple[str, ...] = ()


class ModelTrained(StageEvent):
    """A run made a model version, and the gate has spoken."""

    TYPE: ClassVar[str] = "model.trained"
    VERSION: ClassVar[str] = "1.1"
    PRODUCER: ClassVar[ServiceName] = "training"
    run_id: str
    attempt: int
    model_version: str
    dataset_version: str
    metrics: dict[str, float]
    gate: Gate
    base_model_version: str | None = None
    """The version whose weights training began with; since 1.1."""


class ModelPublished(StageEvent):
    """A model version serves a stage from now on."""

    TYPE: ClassVar[str] = "model.published"
    PRODUCER: ClassVar[ServiceName] = "training"
    model_version: str
    serving_epoch: int
    metrics: dict[str, float]
    artefact_key: str
    """Prefix of ``model.onnx`` and ``card.json`` in the bucket ``models``."""
    published_by: PersonId | None = None
    """None: the gate published it."""


class ModelRetired(StageEvent):
    """No model of its own serves a stage any more: its other predictors answer again."""

    TYPE: ClassVar[str] = "model.retired"
    PRODUCER: ClassVar[ServiceName] = "training"
    model_version: str
    serving_epoch: int
    retired_by: PersonId
