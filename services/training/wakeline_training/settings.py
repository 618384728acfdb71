"""Settings of the training service."""

import sys
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from wakeline_process import ServiceSettings, service_config


class TrainerSettings(BaseModel):
    """How trainers are run."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    command: Annotated[tuple[str, ...], Field(min_length=1)] = (
        sys.executable,
        "-m",
        "wakeline_trainer",
    )
    """Anything that fulfils the trainer contract."""
    nice: Annotated[int, Field(ge=0, le=19)] = 10
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    max_seconds: Annotated[int, Field(ge=1)] = 90
    """What a trainer is told to take at most, where the stage's policy says nothing."""
    beat: timedelta = timedelta(seconds=2)
    """How often a running trainer is looked after: progress, log, cancellation."""
    grace: timedelta = timedelta(seconds=12)
    """From SIGTERM to SIGKILL; the contract gives a trainer 10 s to save a checkpoint."""


class Settings(ServiceSettings):
    """Settings of the training service, read at start: ``WAKELINE_TRAINING_MONGO__DSN`` etc."""

    model_config = service_config("training")
    trainer: TrainerSettings = TrainerSettings()
    gate_wait: timedelta = timedelta(seconds=60)
    """How long the gate waits for predictions of what serves now."""
