"""What the service keeps: stages as configured, what serves them, and targets with answers."""

from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from wakeline_events.base import Asset, AssetId, ProjectId, StageId, TaskId
from wakeline_events.configuration import Ontology, PredictorChoice
from wakeline_events.shapes import PredictionSet
from wakeline_geometry.shapes import Region


class Record(BaseModel):
    """Plain frozen data; what an older or newer release wrote beside it is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Size(NamedTuple):
    """How large an image is, in pixels."""

    width: int
    height: int


class Stage(Record):
    """One stage as its project configures it."""

    id: StageId
    project_id: ProjectId
    version: int
    """Of the project document."""
    ontology: Ontology
    predictors: tuple[PredictorChoice, ...]

    @property
    def served_by(self) -> frozenset[StageId]:
        """The stages whose models may answer: its own, and those that it is related to."""
        related = {choice.stage for choice in self.predictors if choice.stage is not None}
        return frozenset(related | {self.id})


class ServingModel(Record):
    """The model that serves a stage."""

    version: str
    artefact_key: str


class Serving(Record):
    """What serves a stage now; epoch 0 before anything was published."""

    stage_id: StageId
    epoch: int = 0
    model: ServingModel | None = None
    """None: the stage's other predictors."""


class Upload(Record):
    """An uploaded prediction that waits for its task, or stands in its choice."""

    id: str
    """Names its content: equal uploads are one."""
    predictor: str
    """``external.<name>``."""
    version: str


class Answer(Record):
    """What the predictors last said about a target."""

    epoch: int
    basis: str
    """Digest of all that the answer was made from; see ``choice.basis``."""
    predictor: str
    prediction_id: str | None = None
    """None: nobody could answer, and ``code`` says why."""
    uncertainty: float | None = None
    code: str | None = None


class Standing(Record):
    """What an upload has to know of its target."""

    task_id: TaskId | None = None
    """None: no task was opened yet, and uploads wait for it."""
    open: bool = False
    holdout: bool = False
    priority: int = 0
    uploads: tuple[Upload, ...] = ()
    """The latest of each external predictor, in the order of their coming."""
    answer: Answer | None = None

    @property
    def wanted(self) -> bool:
        """Whether anybody uses an answer: training scores hold-out tasks after they closed too."""
        return self.task_id is not None and (self.open or self.holdout)

    def uploads_with(self, upload: Upload) -> tuple[Upload, ...]:
        """Its uploads with this one in place of what its predictor said before."""
        return (*(each for each in self.uploads if each.predictor != upload.predictor), upload)

    def replaced_by(self, upload: Upload) -> list[str]:
        """Ids of its uploads that stand no more once this one does."""
        return [
            each.id
            for each in self.uploads
            if each.predictor == upload.predictor and each.id != upload.id
        ]

    def ends_with(self, upload: Upload) -> bool:
        """Whether this upload is the latest one already: storing it again changes nothing."""
        return bool(self.uploads) and self.uploads[-1].id == upload.id


class Target(Standing):
    """One asset at one stage: what is predicted, for its task once it has one."""

    id: str
    stage_id: StageId
    asset_id: AssetId
    asset: Asset | None = None
    focus_regions: tuple[Region, ...] = ()


class UploadedShapes(Record):
    """The content of an upload."""

    id: str
    stage_id: StageId
    asset_id: AssetId
    predictor: str
    version: str
    shapes: PredictionSet
    uncertainty: float | None = None


class Replaced(NamedTuple):
    """An upload in whose place stands another one."""

    id: str
    stage_id: StageId
    asset_id: AssetId


class Parcel(NamedTuple):
    """An upload on its way into the store: checked, and its shapes as a document holds them.

    A tuple and not a record, as thousands of them are made each second.
    """

    upload: Upload
    """How its target names it."""
    target_id: str
    stage_id: StageId
    asset_id: AssetId
    shapes: dict[str, Any]
    """A ``PredictionSet`` as a document holds it."""
    uncertainty: float | None


class Prediction(Record):
    """What one predictor version said of one target under one epoch; never changed."""

    id: str
    stage_id: StageId
    task_id: TaskId
    asset_id: AssetId
    predictor: str
    predictor_version: str
    serving_epoch: int
    holdout: bool
    shapes: PredictionSet
    uncertainty: float
    at: datetime
