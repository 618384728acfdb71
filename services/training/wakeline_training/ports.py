"""What the use cases need from outside: stores, events, the archive of blobs, and a launcher."""

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from wakeline_events.base import AssetId, DatasetId, Event, LabelId, ProjectId, StageId
from wakeline_events.labeling import BenchmarkSet
from wakeline_events.prediction import PredictionCompleted, PredictionFailed
from wakeline_events.review import LabelAccepted
from wakeline_events.shapes import AnnotationSet, PredictionSet
from wakeline_geometry.shapes import Annotation, Predicted, Region
from wakeline_training.domain.manifest import Candidate, HoldoutTruth
from wakeline_training.domain.models import DatasetVersion, ModelVersion
from wakeline_training.domain.run import Run
from wakeline_training.domain.splits import AssetFacts, Group, Side
from wakeline_training.domain.stage import Stage


@dataclass(frozen=True, slots=True)
class LabelRow:
    """An accepted label as it is kept: its geometry may lie in a blob."""

    label_id: LabelId | None
    """None: a benchmark."""
    asset: Mapping[str, Any]
    """Fields of ``wakeline_events.base.Asset``."""
    unassisted: bool
    annotations: AnnotationSet
    focus_regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a predictor said of one hold-out asset, or that it failed."""

    asset_id: AssetId
    predictor: str
    predictor_version: str
    serving_epoch: int
    shapes: PredictionSet | None
    """None: the predictor failed there."""


class Stages(Protocol):
    """Stages, each an aggregate of its own."""

    async def get(self, stage_id: StageId) -> Stage | None: ...
    async def of_project(self, project_id: ProjectId) -> list[Stage]: ...
    async def served(self, stage_id: StageId | None, after: str, limit: int) -> list[Stage]: ...
    def put(self, stage: Stage) -> None: ...


class Labels(Protocol):
    """Accepted labels, the latest round of each task."""

    async def has(self, label_id: LabelId) -> bool: ...
    def accept(self, event: LabelAccepted) -> None: ...
    def supersede(self, label_id: LabelId, annotations: AnnotationSet) -> None: ...
    async def of_stage(
        self, stage_id: StageId, datasets: Sequence[DatasetId]
    ) -> list[Candidate]: ...
    async def rows(self, label_ids: Sequence[LabelId]) -> dict[LabelId, LabelRow]: ...
    async def unassisted_groups(self, datasets: Sequence[DatasetId]) -> frozenset[Group]: ...
    async def presumed_holdout(self, stage_id: StageId) -> frozenset[AssetId]: ...


class Benchmarks(Protocol):
    """Assets with a trusted label."""

    def put(self, event: BenchmarkSet) -> None: ...
    async def of_stage(
        self, stage_id: StageId, datasets: Sequence[DatasetId]
    ) -> list[Candidate]: ...
    async def rows(
        self, stage_id: StageId, asset_ids: Sequence[AssetId]
    ) -> dict[AssetId, LabelRow]: ...
    async def assets(self, datasets: Sequence[DatasetId]) -> list[AssetFacts]: ...


class Assets(Protocol):
    """Groups and relatives of every asset, labeled or not."""

    def put(self, facts: AssetFacts) -> None: ...
    async def around(self, assets: Iterable[AssetFacts]) -> dict[AssetId, AssetFacts]: ...


class Withdrawals(Protocol):
    """Images that are not to be had at the moment."""

    def add(self, asset_id: AssetId) -> None: ...
    def remove(self, asset_id: AssetId) -> None: ...
    async def of_datasets(self, datasets: Sequence[DatasetId]) -> frozenset[AssetId]: ...


class Splits(Protocol):
    """The permanent sides of groups, under one owner a dataset."""

    def touch(self, dataset_id: DatasetId) -> None: ...
    async def revisions(
        self, datasets: Collection[DatasetId], involved: Collection[DatasetId]
    ) -> dict[DatasetId, int]: ...
    def claim(self, datasets: Collection[DatasetId], involved: Collection[DatasetId]) -> None: ...
    async def frozen(self, datasets: Sequence[DatasetId]) -> frozenset[DatasetId]: ...
    async def decided(self, datasets: Sequence[DatasetId]) -> dict[Group, Side]: ...
    def decide(self, sides: Mapping[Group, Side], run_id: str, dataset_version: str) -> None: ...


class Predictions(Protocol):
    """Answers of what serves, on hold-out assets only."""

    def completed(self, event: PredictionCompleted) -> None: ...
    def failed(self, event: PredictionFailed) -> None: ...
    async def of_epoch(self, stage_id: StageId, serving_epoch: int) -> list[Answer]: ...


class Runs(Protocol):
    """Training runs."""

    async def get(self, run_id: str) -> Run | None: ...
    def put(self, run: Run) -> None: ...
    async def page(self, filter: Mapping[str, Any], after: Any, limit: int) -> list[Run]: ...


class Models(Protocol):
    """Model versions."""

    async def get(self, version: str) -> ModelVersion | None: ...
    def put(self, model: ModelVersion) -> None: ...
    async def page(
        self, filter: Mapping[str, Any], after: Any, limit: int
    ) -> list[ModelVersion]: ...


class DatasetVersions(Protocol):
    """Dataset versions."""

    async def get(self, version: str) -> DatasetVersion | None: ...
    def put(self, version: DatasetVersion) -> None: ...
    async def page(
        self, filter: Mapping[str, Any], after: Any, limit: int
    ) -> list[DatasetVersion]: ...


class TrainingUnitOfWork(Protocol):
    """One transaction of this service."""

    now: datetime

    @property
    def stages(self) -> Stages: ...
    @property
    def labels(self) -> Labels: ...
    @property
    def benchmarks(self) -> Benchmarks: ...
    @property
    def assets(self) -> Assets: ...
    @property
    def withdrawals(self) -> Withdrawals: ...
    @property
    def splits(self) -> Splits: ...
    @property
    def predictions(self) -> Predictions: ...
    @property
    def runs(self) -> Runs: ...
    @property
    def models(self) -> Models: ...
    @property
    def dataset_versions(self) -> DatasetVersions: ...

    def emit(self, *events: Event) -> None: ...
    def known(self, *names: str) -> None: ...
    def enqueue(
        self,
        kind: str,
        job_id: str,
        payload: dict[str, Any],
        *,
        priority: int = 0,
        not_before: datetime | None = None,
    ) -> None: ...


Body = Callable[[TrainingUnitOfWork], Awaitable[None]]


class Steps(Protocol):
    """The transactions of one attempt at a job: refused once another attempt has begun."""

    def read(self) -> TrainingUnitOfWork:
        """Reads outside of any transaction: for more than one has time for."""
        ...

    async def transaction(self, body: Body) -> None:
        """Store a step on the way."""
        ...

    async def finish(self, body: Body) -> None:
        """Store the result and end the job."""
        ...

    async def excuse(self) -> None:
        """Say that the work outlived its runner: that one's end speaks not against it."""
        ...


class Archive(Protocol):
    """The bytes that training reads and writes; waits for a store that is away."""

    assets_bucket: str
    """Full name of the bucket of images."""

    def uri(self, key: str) -> str:
        """The URI of a key in the bucket that runs and manifests lie in."""
        ...

    async def save_manifest(self, key: str, manifest: Path) -> None: ...
    async def holdout(self, key: str) -> list[HoldoutTruth]: ...
    def stream_manifest(self, key: str) -> AsyncIterator[bytes]: ...
    async def annotations(self, stored: AnnotationSet) -> tuple[Annotation, ...]: ...
    async def predicted(self, stored: PredictionSet) -> tuple[Predicted, ...]: ...

    async def read(self, key: str) -> bytes | None:
        """An object that a trainer may have written, or None."""
        ...

    async def digest(self, key: str) -> str | None:
        """SHA-256 of such an object, which may be larger than memory, or None."""
        ...

    async def save_log(self, key: str, log: bytes) -> None: ...

    async def deliver(self, source: str, target: str, names: Sequence[str]) -> None:
        """Copy a model's files to where predictors read them."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What a launcher is to run."""

    run_id: str
    number: int
    """The run's, counted by its stage: a later one has a higher one."""
    attempt: int
    stage_id: StageId
    environment: Mapping[str, str]
    """The variables of the trainer contract; the launcher adds what its platform needs."""
    limit: timedelta
    """When a trainer that does not end is ended."""
    taken_over: bool = False
    """The attempt began under an earlier runner: it is found and followed, never begun again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trainer ended."""

    exit_code: int | None
    """None: it did not end by itself, or never began; ``cause`` says why."""
    log: bytes
    """The end of what it said, 1 MiB at most."""
    last_words: str
    """The last line of its stderr."""
    cause: str = ""
    """What the platform did to it, for people: ``it did not end within 300 s``."""
    excused: bool = False
    """The platform took it away, an eviction say: no failure of the trainer's."""
    hopeless: bool = False
    """It could not begin, and trying again would go the same way."""


Watch = Callable[[bytes, str | None], Awaitable[None]]
"""Called every few seconds with the log so far, and with what a trainer that has not begun waits
for; an exception of it reaches the caller of ``train``."""


class Launcher(Protocol):
    """Runs trainers: as processes here, as Kubernetes Jobs in a cluster."""

    outlives_runner: bool
    """Whether a trainer goes on when its runner is gone, so that the next can take it over."""

    async def train(self, order: Order, watch: Watch) -> Outcome:
        """Run a trainer to its end, or follow one that was taken over.

        If this call is broken off, a trainer that can't outlive its runner is ended before it
        returns; any other goes on.
        """
        ...

    async def end(self, run_id: str, attempt: int | None = None) -> None:
        """End whatever still runs of a run, or of one attempt at it."""
        ...
