"""A training run: its states, and the environment that its trainer is given."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from wakeline_events.base import PersonId, ProjectId, StageId
from wakeline_events.configuration import Ontology, TrainingPolicy

State = Literal["freezing", "training", "gating", "completed", "failed", "cancelled"]
ACTIVE: frozenset[State] = frozenset({"freezing", "training", "gating"})
FailureCode = Literal[
    "nothing-to-train", "freeze-failed", "bad-input", "trainer-failed", "gate-failed", "cancelled"
]
FAILURES = 3
"""A run whose trainer failed this often is given up."""
DRAWN_KINDS = frozenset({"box", "polygon", "mask"})
"""Kinds of geometry that a trainer can learn; points, lines and statements are not."""
MAX_PARAMETERS = 32 * 1024
"""Bytes of parameters as JSON: a trainer gets them as one variable, which Linux ends at 128 KiB."""
MAX_NAME = 200
LONGEST_SECONDS = 7 * 24 * 3600
"""The greatest ``max_seconds``."""


class RunActiveError(Exception):
    """The stage has a run that has not ended yet."""

    code: ClassVar[str] = "run-active"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id} of this stage has not ended yet")
        self.extra = {"run_id": run_id}


class UnknownRunError(Exception):
    """There is no such run."""

    code: ClassVar[str] = "run-unknown"


class RunEndedError(Exception):
    """The run has ended: nothing of it can be cancelled."""

    code: ClassVar[str] = "run-ended"


class Progress(BaseModel):
    """The latest line of the trainer's ``progress.jsonl``."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    step: int
    of: int | None = None
    """How many steps there will be, where the trainer knows it."""
    loss: float | None = None
    at: datetime | None = None


class Failure(BaseModel):
    """Why a run made no model."""

    model_config = ConfigDict(frozen=True)
    code: FailureCode
    detail: str = ""
    """For people; may hold what the trainer wrote, so it stays out of events."""


class Run(BaseModel):
    """One execution of a trainer on one dataset version, over all its attempts."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    stage_id: StageId
    project_id: ProjectId
    number: int
    """1 for the stage's first run."""
    cause: Literal["labels", "person"]
    requested_by: PersonId | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    """What the trainer is told beside the kind and the classes."""
    state: State = "freezing"
    attempt: int = 0
    """The current one; 0 before the first. Only what it made counts."""
    attempt_is_open: bool = False
    """The current attempt began, and how it ended is not known: its trainer may be at work."""
    failures: int = 0
    """Attempts that ended by the trainer's own fault; an eviction is none."""
    setback: str | None = None
    """Why the latest attempt that failed did, in words for people."""
    waiting_for: str | None = None
    """What keeps the trainer from beginning: quota, a node, its image; or what keeps the freeze."""
    dataset_version: str | None = None
    base_model: str | None = None
    """The version whose weights every attempt begins with; None: from nothing."""
    progress: Progress | None = None
    reported: dict[str, Any] = Field(default_factory=dict)
    """The trainer's own ``metrics.json``."""
    model_version: str | None = None
    failure: Failure | None = None
    created_at: datetime
    started_at: datetime | None = None
    gating_since: datetime | None = None
    ended_at: datetime | None = None

    @property
    def active(self) -> bool:
        """Whether it has not ended: one such run a stage."""
        return self.state in ACTIVE

    def attempt_failed(self, why: str, *, excused: bool, hopeless: bool) -> "Run":
        """The run after an attempt without a model: there may be another, or not."""
        failures = FAILURES if hopeless else self.failures + (not excused)
        closed = {"attempt_is_open": False, "waiting_for": None}
        return self.model_copy(update={**closed, "failures": failures, "setback": why})

    def ended(self, state: State, at: datetime, failure: Failure | None = None) -> "Run":
        """The run as it ends."""
        closed = {"attempt_is_open": False, "waiting_for": None}
        return self.model_copy(
            update={**closed, "state": state, "ended_at": at, "failure": failure}
        )


def run_id_of(stage_id: StageId, number: int) -> str:
    """A run's name follows from its stage and trigger number: asked twice, it is one run."""
    return hashlib.sha256(f"{stage_id}|{number}".encode()).hexdigest()[:24]


def model_version_of(run_id: str, attempt: int) -> str:
    """The version that an attempt makes."""
    return f"{run_id}.{attempt}"


def attempt_prefix(run_id: str, attempt: int) -> str:
    """Where an attempt writes, and nobody else."""
    return f"runs/{run_id}/{attempt}/"


def checkpoint_prefix(run_id: str) -> str:
    """Where the attempts of a run leave their checkpoints for the next."""
    return f"runs/{run_id}/checkpoint/"


def log_key(run_id: str, attempt: int) -> str:
    """Where what the trainer of an attempt said is kept."""
    return f"{attempt_prefix(run_id, attempt)}trainer.log"


def artefact_prefix(model_version: str) -> str:
    """Where a model version lies in the bucket ``models``."""
    return f"{model_version}/"


def problems_of_parameters(parameters: Mapping[str, Any]) -> list[str]:
    """Why no run can be started with these parameters, in words for people; [] if one can."""
    size = len(json.dumps(parameters))
    if size > MAX_PARAMETERS:
        return [f"parameters have at most {MAX_PARAMETERS} bytes as JSON, not {size}"]
    problems = []
    for name, value in parameters.items():
        # MongoDB's driver takes names such as $ref for its own.
        if not 0 < len(name) <= MAX_NAME or name.startswith("$") or "\0" in name:
            problems.append(
                f"{name[:40]!r} is no name of a parameter: one has 1 to {MAX_NAME} characters, "
                "no zero character, and does not begin with $"
            )
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            problems.append(f"{name!r} = {value} is more than 64 bits hold")
    if "max_seconds" in parameters:
        seconds = parameters["max_seconds"]
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not is_number or not 1 <= seconds <= LONGEST_SECONDS:
            problems.append(f"'max_seconds' is a number from 1 to {LONGEST_SECONDS} (a week)")
    return problems


def trainer_parameters(
    policy: TrainingPolicy,
    ontology: Ontology,
    *,
    number: int,
    threads: int,
    max_seconds: int,
    asked: dict[str, Any],
) -> dict[str, Any]:
    """WAKELINE_PARAMETERS: the service's, then the policy's, then the caller's on top.

    What decides about the machine and about the meaning of the result can't be overridden.
    """
    classes = [c.name for c in ontology.classes if DRAWN_KINDS.intersection(c.kinds)]
    return {
        "seed": number,
        "max_seconds": max_seconds,
        **policy.parameters,
        **asked,
        "kind": policy.trainer,
        "classes": classes,
        "threads": threads,
    }
