"""What the routes take and give."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wakeline_events.base import AssetId, ProjectId, StageId, TaskId
from wakeline_events.configuration import Slug
from wakeline_events.strict import Strict
from wakeline_geometry.shapes import Predicted
from wakeline_prediction.domain.records import Parcel, Prediction
from wakeline_prediction.usecases.uploading import Judged

MAX_ITEMS = 1_000
DETAIL_LENGTH = 1_000


class Out(BaseModel):
    """Plain frozen data."""

    model_config = ConfigDict(frozen=True)


Predictor = Annotated[str, Field(pattern=r"^external(\.[a-z0-9-]{1,100})?$")]
"""``external.<name>``, or plain ``external`` where there is one such model only."""
Version = Annotated[str, Field(min_length=1, max_length=200)]
"""Of the model; what is uploaded later for an asset takes the place of what was."""


class UploadIn(Strict):
    """Predictions of one version of one model for many assets of a stage."""

    project: Slug
    stage: Slug
    predictor: Predictor
    version: Version
    items: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_ITEMS)]
    """Each ``{"asset_id", "shapes": [Predicted], "uncertainty"?}``. They are judged one by one:
    a bad one is refused with its reason, and the others are stored."""


class ItemOut(Out):
    """What became of one item."""

    asset_id: AssetId | None
    """None where the item names none."""
    status: Literal["stored", "refused"]
    code: str | None = None
    detail: str | None = None

    @classmethod
    def of(cls, judged: Judged) -> "ItemOut":
        """Show what became of an item."""
        if isinstance(judged, Parcel):
            return cls(asset_id=judged.asset_id, status="stored")
        return cls(
            asset_id=judged.asset_id,
            status="refused",
            code=judged.code,
            detail=judged.detail[:DETAIL_LENGTH],
        )


class UploadOut(Out):
    """What became of an upload, item by item in its order."""

    stored: int
    refused: int
    items: list[ItemOut]


class PredictionOut(Out):
    """One prediction with its shapes."""

    prediction_id: str
    project: ProjectId
    stage_id: StageId
    task_id: TaskId
    asset_id: AssetId
    predictor: str
    predictor_version: str
    serving_epoch: int
    holdout: bool
    uncertainty: float
    """In [0, 1]."""
    at: datetime
    shapes: list[Predicted]

    @classmethod
    def of(cls, prediction: Prediction, shapes: tuple[Predicted, ...]) -> "PredictionOut":
        """Show a prediction."""
        return cls(
            prediction_id=prediction.id,
            project=prediction.stage_id.partition("/")[0],
            stage_id=prediction.stage_id,
            task_id=prediction.task_id,
            asset_id=prediction.asset_id,
            predictor=prediction.predictor,
            predictor_version=prediction.predictor_version,
            serving_epoch=prediction.serving_epoch,
            holdout=prediction.holdout,
            uncertainty=prediction.uncertainty,
            at=prediction.at,
            shapes=list(shapes),
        )


class StatusOut(Out):
    """How far the predictions of a stage are: of its open tasks and its hold-out."""

    serving_epoch: int
    model_version: str | None
    """None: the stage's other predictors answer."""
    answered: int
    """Under the serving epoch."""
    failed: int
    """Under the serving epoch."""
    stale: int
    """Answered under an earlier epoch."""
    unanswered: int
