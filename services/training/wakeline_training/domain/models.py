"""Model versions and dataset versions: what was made, and what was decided about it."""

from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from wakeline_events.base import DatasetId, PersonId, ProjectId, StageId
from wakeline_events.training import Gate, SplitCounts


class UnknownModelError(Exception):
    """There is no such model version."""

    code: ClassVar[str] = "model-unknown"


class ModelBlockedError(Exception):
    """The gate blocked this model; publishing it all the same needs ``force`` and a reason."""

    code: ClassVar[str] = "model-blocked"

    def __init__(self, version: str, reasons: tuple[str, ...]) -> None:
        super().__init__(f"the gate blocked model {version}: {'; '.join(reasons)}")
        self.extra = {"reasons": list(reasons)}


class UnknownDatasetVersionError(Exception):
    """There is no such dataset version."""

    code: ClassVar[str] = "dataset-version-unknown"


class Publication(BaseModel):
    """One decision that a model should serve."""

    model_config = ConfigDict(frozen=True)
    serving_epoch: int
    at: datetime
    by: PersonId | None
    """None: the gate."""
    forced: bool = False
    reason: str | None = None
    """Why a person overruled the gate; it stays here, for events carry no free text."""


class ModelVersion(BaseModel):
    """What a run made, with its metrics and the gate's verdict."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())
    model_version: str
    run_id: str
    attempt: int
    stage_id: StageId
    project_id: ProjectId
    number: int
    """That of its run."""
    dataset_version: str
    base_model: str | None = None
    """The version that its training began with."""
    metrics: dict[str, float]
    """Measured by the gate on the whole hold-out; see ``gate.flat_metrics``."""
    reported: dict[str, Any] = Field(default_factory=dict)
    """The trainer's own figures."""
    comparator_metrics: dict[str, float] = Field(default_factory=dict)
    """Of what served, on the assets of the pairing."""
    gate: Gate
    artefact_key: str
    """Prefix of ``model.onnx`` and ``card.json`` in the bucket ``models``."""
    created_at: datetime
    publications: tuple[Publication, ...] = ()


class DatasetVersion(BaseModel):
    """A frozen list of assets, annotations and splits."""

    model_config = ConfigDict(frozen=True)
    dataset_version: str
    """SHA-256 of the manifest, in hex."""
    stage_id: StageId
    project_id: ProjectId
    dataset_ids: tuple[DatasetId, ...]
    manifest_key: str
    splits: dict[str, SplitCounts]
    classes: tuple[str, ...] = ()
    """The ontology's when it was frozen, in its order; a version from before kept none."""
    left_out: dict[str, int] = Field(default_factory=dict)
    """Assets with an accepted label that stand in no split, by reason."""
    created_at: datetime
