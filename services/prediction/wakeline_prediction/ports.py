"""What the use cases need from outside: predictors, pictures, the archive of blobs, stores."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wakeline_events.base import Asset, AssetId, Event, ProjectId, StageId, TaskId
from wakeline_events.configuration import Ontology
from wakeline_events.labeling import TaskClosed, TaskOpened
from wakeline_events.shapes import PredictionSet
from wakeline_geometry.shapes import Predicted
from wakeline_prediction.domain.choice import Candidate
from wakeline_prediction.domain.records import (
    Answer,
    Parcel,
    Prediction,
    Replaced,
    Serving,
    Size,
    Stage,
    Standing,
    Target,
    Upload,
    UploadedShapes,
)


@dataclass(frozen=True)
class Picture:
    """The pixels of an asset with its extra bands."""

    stack: NDArray[np.float32]
    """Shape (H, W, C), in [0, 1], upright."""
    channels: tuple[str, ...]
    """C names: ``grey`` or ``red, green, blue``, and the bands'."""


@dataclass(frozen=True)
class Question:
    """What a predictor is asked."""

    candidate: Candidate
    ontology: Ontology
    picture: Callable[[], Awaitable[Picture]]
    """Reads the picture, once; raises UnreadableImageError. Who needs no pixels need not ask."""
    uploaded: UploadedShapes | None = None
    """What was uploaded, if the candidate is an upload."""


@dataclass(frozen=True)
class Result:
    """What a predictor answers."""

    shapes: tuple[Predicted, ...]
    """In image pixels, best first; their classes may be other than the ontology's."""
    uncertainty: float | None = None
    """In [0, 1]; None: to be had from the scores of the shapes that are kept."""


class Predictor(Protocol):
    """Anything that proposes: a rule, a model, a table of uploads."""

    async def predict(self, question: Question) -> Result:
        """Propose shapes for one asset, without holding up the event loop.

        Raises
        ------
        CannotAnswerError
            It has nothing to say about this asset: the next predictor is asked.
        PredictorRefusedError
            It should answer and must not: the prediction fails.
        UnreadableImageError
            The image cannot be read.
        """
        ...


class Archive(Protocol):
    """The bytes that prediction reads and writes."""

    async def picture(self, asset: Asset) -> Picture:
        """Read an asset; waits for a store that is away.

        Raises
        ------
        UnreadableImageError
            Of the image or of a band of it.
        PredictorRefusedError
            ``image-missing`` if the store has lost it.
        """
        ...

    async def pack(self, shapes: Sequence[Predicted], *, wait: bool) -> PredictionSet:
        """Shapes as an event carries them; the blob, if there is one, is stored by then.

        Parameters
        ----------
        wait : whether a store that is away is waited for, or raises
        """
        ...

    async def unpack(self, stored: PredictionSet, *, wait: bool) -> tuple[Predicted, ...]:
        """The shapes again; ``wait`` as in ``pack``."""
        ...

    def kept_before(self, at: datetime) -> AsyncIterator[list[str]]:
        """Keys of all blobs of shapes that were last stored before a time, some at once."""
        ...

    async def drop(self, key: str, *, before: datetime) -> bool:
        """Delete a blob of shapes, unless it was stored again since then; whether it is gone."""
        ...


class Stages(Protocol):
    """Stages as their projects configure them."""

    async def get(self, stage_id: StageId) -> Stage | None: ...
    async def many(self, stage_ids: Iterable[StageId]) -> dict[StageId, Stage]: ...
    async def of_project(self, project_id: ProjectId) -> dict[StageId, Stage]: ...
    async def related_to(self, stage_id: StageId) -> list[StageId]: ...
    def put(self, stage: Stage) -> None: ...
    def remove(self, stage_id: StageId) -> None: ...


class Servings(Protocol):
    """What serves each stage."""

    async def get(self, stage_id: StageId) -> Serving: ...
    async def many(self, stage_ids: Iterable[StageId]) -> dict[StageId, Serving]: ...
    def put(self, serving: Serving) -> None: ...


class Targets(Protocol):
    """Assets at stages, with and without a task."""

    async def many(self, target_ids: Iterable[str]) -> dict[str, Target]: ...
    async def standing(self, target_ids: Iterable[str]) -> dict[str, Standing]: ...
    async def sizes(self, target_ids: Iterable[str]) -> dict[str, Size]: ...
    def add(self, target: Target) -> None: ...
    def open(self, event: TaskOpened) -> str: ...
    def close(self, event: TaskClosed) -> None: ...
    def ask_again(self, target_id: str, priority: int) -> None: ...
    def put_uploads(self, target_id: str, uploads: Iterable[Upload]) -> None: ...
    def put_answer(self, target_id: str, answer: Answer) -> None: ...
    async def unanswered(self, stage_id: StageId, after: str, limit: int) -> list[Target]: ...
    async def holdout(self, stage_id: StageId, after: str, limit: int) -> list[Target]: ...
    async def most_urgent(self, stage_id: StageId, limit: int) -> list[Target]: ...
    async def counts(self, stage_id: StageId, epoch: int) -> Mapping[str, int]: ...


class Uploads(Protocol):
    """The content of uploads."""

    async def many(self, upload_ids: Iterable[str]) -> dict[str, UploadedShapes]: ...
    async def existing(self, upload_ids: Iterable[str]) -> set[str]: ...
    def add(self, parcel: Parcel) -> None: ...
    def replace(self, upload_id: str) -> None: ...
    def keep(self, upload_id: str) -> None: ...
    async def replaced(self, before: datetime, limit: int) -> list[Replaced]: ...
    def remove(self, upload_id: str) -> None: ...
    async def blobs_among(self, keys: Sequence[str]) -> set[str]: ...


class Withdrawals(Protocol):
    """Images that are not to be had at the moment."""

    async def among(self, asset_ids: Iterable[AssetId]) -> set[AssetId]: ...
    def add(self, asset_id: AssetId) -> None: ...
    def note(self, asset_id: AssetId, target_id: str) -> None: ...
    async def take(self, asset_id: AssetId) -> list[str]: ...


class Predictions(Protocol):
    """All that was ever predicted."""

    def put(self, prediction: Prediction) -> None: ...
    async def blobs_among(self, keys: Sequence[str]) -> set[str]: ...
    async def page(
        self,
        *,
        task_id: TaskId | None,
        asset_id: AssetId | None,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Prediction]: ...


class PredictionUnitOfWork(Protocol):
    """One transaction of this service."""

    now: datetime

    @property
    def stages(self) -> Stages: ...
    @property
    def servings(self) -> Servings: ...
    @property
    def targets(self) -> Targets: ...
    @property
    def uploads(self) -> Uploads: ...
    @property
    def withdrawals(self) -> Withdrawals: ...
    @property
    def predictions(self) -> Predictions: ...

    async def preload(self, reads: Mapping[str, Iterable[str]]) -> None: ...
    def emit(self, *events: Event) -> None: ...
    def enqueue(
        self,
        kind: str,
        job_id: str,
        payload: dict[str, Any],
        *,
        priority: int = 0,
        not_before: datetime | None = None,
    ) -> None: ...


Body = Callable[[PredictionUnitOfWork], Awaitable[None]]


class Steps(Protocol):
    """The transactions of one attempt at jobs: refused once another attempt has begun."""

    def read(self) -> PredictionUnitOfWork:
        """Look things up outside any transaction."""
        ...

    async def transaction(self, body: Body) -> None:
        """Store a step on the way."""
        ...

    async def finish(self, body: Body) -> None:
        """Store the result and end the jobs."""
        ...
