"""A stage as training sees it: what was accepted, what runs, and what serves."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from wakeline_events.base import ProjectId, StageId
from wakeline_events.configuration import Ontology, StagePolicy, TrainingPolicy


class UnknownStageError(Exception):
    """No such project or stage was configured."""

    code: ClassVar[str] = "stage-unknown"


class TrainingNotConfiguredError(Exception):
    """The stage's policy names no trainer."""

    code: ClassVar[str] = "training-not-configured"


class NothingServesError(Exception):
    """There is no model to roll back: the stage's other predictors answer already."""

    code: ClassVar[str] = "nothing-serves"


class AlreadyServesError(Exception):
    """The model serves its stage already."""

    code: ClassVar[str] = "already-serves"


class Stage(BaseModel):
    """One stage's counters and the models that serve it, newest decision last."""

    model_config = ConfigDict(frozen=True)

    stage_id: StageId
    project_id: ProjectId
    dataset_ids: tuple[str, ...]
    policy: StagePolicy
    ontology: Ontology
    accepted: int = 0
    """Labels accepted so far."""
    triggered_at: int = 0
    """How many were accepted when the latest run was asked for."""
    runs: int = 0
    """Runs asked for so far: the number of the latest."""
    active_run: str | None = None
    serving_epoch: int = 0
    """Counts publishes and rollbacks: predictions of a lower epoch are stale."""
    serving: str | None = None
    """Version of the model that serves; None: the stage's other predictors do."""
    earlier: tuple[str, ...] = ()
    """Models to roll back to, the nearest last."""

    @property
    def training(self) -> TrainingPolicy:
        """The policy of training; raises TrainingNotConfiguredError if there is none."""
        if self.policy.training is None:
            raise TrainingNotConfiguredError(f"stage {self.stage_id} names no trainer")
        return self.policy.training

    @property
    def is_due(self) -> bool:
        """Whether enough labels came since the last run, and none is active."""
        policy = self.policy.training
        if policy is None or policy.trigger_labels == 0 or self.active_run is not None:
            return False
        return self.accepted - self.triggered_at >= policy.trigger_labels

    def with_label(self) -> "Stage":
        """One more label was accepted."""
        return self.model_copy(update={"accepted": self.accepted + 1})

    def with_run(self, run_id: str) -> "Stage":
        """The next run was asked for: the labels up to now are spent."""
        return self.model_copy(
            update={
                "runs": self.runs + 1,
                "active_run": run_id,
                "triggered_at": self.accepted,
            }
        )

    def frozen_at(self, accepted: int) -> "Stage":
        """The freeze took in what had been accepted by then, more than at the trigger perhaps."""
        return self.model_copy(update={"triggered_at": max(self.triggered_at, accepted)})

    def without_run(self) -> "Stage":
        """The active run ended."""
        return self.model_copy(update={"active_run": None})

    def published(self, version: str) -> "Stage":
        """A model serves from now on, under the next epoch.

        Raises
        ------
        AlreadyServesError
            If it does so already.
        """
        if version == self.serving:
            raise AlreadyServesError(f"model {version} serves {self.stage_id} already")
        earlier = self.earlier if self.serving is None else (*self.earlier, self.serving)
        return self.model_copy(
            update={
                "serving": version,
                "earlier": earlier,
                "serving_epoch": self.serving_epoch + 1,
            }
        )

    def rolled_back(self) -> "Stage":
        """The model before serves again, or none of its own, under the next epoch.

        Raises
        ------
        NothingServesError
            If no model of its own serves.
        """
        if self.serving is None:
            raise NothingServesError(f"no model of its own serves {self.stage_id}")
        return self.model_copy(
            update={
                "serving": self.earlier[-1] if self.earlier else None,
                "earlier": self.earlier[:-1],
                "serving_epoch": self.serving_epoch + 1,
            }
        )
