"""Events the prediction service publishes on the topic ``wakeline.prediction``."""

from typing import Annotated, ClassVar

from pydantic import Field

from wakeline_events.base import AssetEvent, ServiceName, StageId, TaskId
from wakeline_events.shapes import PredictionSet


class PredictionCompleted(AssetEvent):
    """A predictor answered for one task."""

    TYPE: ClassVar[str] = "prediction.completed"
    VERSION: ClassVar[str] = "1.1"
    PRODUCER: ClassVar[ServiceName] = "prediction"
    prediction_id: str
    stage_id: StageId
    task_id: TaskId
    predictor: str
    """``own``, ``related``, ``heuristic.ndvi``, ``heuristic.threshold``, ``external.<name>``."""
    predictor_version: str
    """The model version or the version of the rule, with a digest of what the stage sets of it."""
    serving_epoch: int
    holdout: bool
    """Training scores what serves now on these."""
    shapes: PredictionSet
    uncertainty: Annotated[float, Field(ge=0, le=1)]
    """0: nothing to learn from this asset; 1: the predictor knows nothing about it."""
    embedding_key: str | None = None
    model_version: str | None = None
    """The version that answered as ``related``; since 1.1."""


class PredictionFailed(AssetEvent):
    """A predictor could not answer for one task: it is labeled without a pre-label."""

    TYPE: ClassVar[str] = "prediction.failed"
    PRODUCER: ClassVar[ServiceName] = "prediction"
    stage_id: StageId
    task_id: TaskId
    predictor: str
    serving_epoch: int
    code: str
    reason: str
