"""What goes in and comes out over HTTP."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field, field_validator

from wakeline_events.base import PersonId
from wakeline_events.configuration import Slug
from wakeline_events.strict import Strict
from wakeline_events.training import Gate, SplitCounts
from wakeline_geometry.shapes import AttributeValue
from wakeline_training.domain.models import DatasetVersion, ModelVersion, Publication
from wakeline_training.domain.run import Failure, Progress, Run, State, problems_of_parameters
from wakeline_training.domain.stage import Stage


class Out(BaseModel):
    """A response's body."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class RunIn(Strict):
    """Which stage to train now."""

    project: Slug
    stage: Slug
    parameters: Annotated[dict[str, AttributeValue], FailFast()] = Field(default_factory=dict)
    """For the trainer, on top of the policy's: a seed, say."""

    @field_validator("parameters")
    @classmethod
    def _can_be_given(cls, parameters: dict[str, AttributeValue]) -> dict[str, AttributeValue]:
        if problems := problems_of_parameters(parameters):
            raise ValueError("; ".join(problems[:5]))
        return parameters


class RunOut(Out):
    """A training run as it stands."""

    run_id: str
    project: str
    stage: str
    number: int
    cause: str
    requested_by: PersonId | None
    parameters: dict[str, Any]
    state: State
    attempt: int
    dataset_version: str | None
    base_model: str | None
    progress: Progress | None
    waiting_for: str | None
    """What keeps the trainer from beginning, in words."""
    setback: str | None
    """Why the latest attempt that made no model did not."""
    metrics: dict[str, Any]
    """The trainer's own."""
    model_version: str | None
    gate: Gate | None
    failure: Failure | None
    created_at: datetime
    started_at: datetime | None
    gating_since: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, run: Run, gate: Gate | None = None) -> "RunOut":
        """A run, with the gate's verdict once it is there."""
        return cls(
            **run.model_dump(exclude={"project_id", "stage_id", "reported"}),
            project=run.project_id,
            stage=stage_name(run.stage_id),
            metrics=run.reported,
            gate=gate,
        )


class ModelOut(Out):
    """A model version, its metrics, the gate's verdict, and whether it serves."""

    model_version: str
    project: str
    stage: str
    number: int
    run_id: str
    attempt: int
    dataset_version: str
    base_model: str | None
    metrics: dict[str, float]
    comparator_metrics: dict[str, float]
    reported: dict[str, Any]
    gate: Gate
    artefact_key: str
    created_at: datetime
    publications: tuple[Publication, ...]
    serving: bool

    @classmethod
    def of(cls, model: ModelVersion, stage: Stage | None) -> "ModelOut":
        """A model version beside what serves its stage now."""
        return cls(
            **model.model_dump(exclude={"project_id", "stage_id"}),
            project=model.project_id,
            stage=stage_name(model.stage_id),
            serving=stage is not None and stage.serving == model.model_version,
        )


class PublishIn(Strict):
    """Whether to overrule the gate, and why."""

    force: bool = False
    reason: Annotated[str, Field(min_length=3, max_length=2_000)] | None = None


class RollbackIn(Strict):
    """Which stage to take back to the model before."""

    project: Slug
    stage: Slug


class ServingOut(Out):
    """What serves a stage now."""

    project: str
    stage: str
    serving_epoch: int
    serving: str | None
    """None: the stage's other predictors."""
    earlier: tuple[str, ...]
    """What a rollback leads to, the nearest last."""

    @classmethod
    def of(cls, stage: Stage) -> "ServingOut":
        """What serves this stage."""
        return cls(
            project=stage.project_id,
            stage=stage_name(stage.stage_id),
            serving_epoch=stage.serving_epoch,
            serving=stage.serving,
            earlier=stage.earlier,
        )


class DatasetVersionOut(Out):
    """A dataset version."""

    dataset_version: str
    project: str
    stage: str
    dataset_ids: tuple[str, ...]
    splits: dict[str, SplitCounts]
    left_out: dict[str, int]
    """Assets with an accepted label that stand in no split, by reason."""
    created_at: datetime

    @classmethod
    def of(cls, version: DatasetVersion) -> "DatasetVersionOut":
        """A dataset version as it is stored."""
        return cls(
            **version.model_dump(exclude={"project_id", "stage_id", "manifest_key", "classes"}),
            project=version.project_id,
            stage=stage_name(version.stage_id),
        )


def stage_name(stage_id: str) -> str:
    """The name of a stage within its project."""
    return stage_id.partition("/")[2]
