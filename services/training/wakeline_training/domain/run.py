"""A training run: its states, and the environment that its trainer is given."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

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
DEEPEST = 20
"""How deep parameters and metrics are nested at most; MongoDB ends at 100."""
MAX_SETBACK = 2_000
Steps = Annotated[int, Field(ge=-(2**63), lt=2**63)]
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
    step: Steps
    of: Steps | None = None
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
        setback = why[:MAX_SETBACK]
        return self.model_copy(update={**closed, "failures": failures, "setback": setback})

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


def unstorable(value: Any, depth: int = 0) -> Iterator[str]:
    """Why a value from JSON cannot be kept in the database, in words for people; nothing if it can.

    A value that is refused late costs a training each time that it is tried again.
    """
    if depth > DEEPEST:
        yield f"nested more than {DEEPEST} deep"
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield "a number is more than 64 bits hold"
    elif isinstance(value, str) and not _is_text(value):
        yield f"{value[:40]!r} is no text in Unicode"
    elif isinstance(value, list):
        for item in value:
            yield from unstorable(item, depth + 1)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            # MongoDB's driver takes names such as $ref for its own.
            if not 0 < len(name) <= MAX_NAME or name[0] == "$" or "\0" in name:
                yield (
                    f"{name[:40]!r} is no name: one has 1 to {MAX_NAME} characters, "
                    "no zero character, and does not begin with $"
                )
            yield from unstorable(name, depth)
            yield from (f"{name[:40]!r}: {why}" for why in unstorable(item, depth + 1))


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can write
        return False
    return True


def problems_of_parameters(parameters: Mapping[str, Any]) -> list[str]:
    """Why no run can be started with these parameters, in words for people; [] if one can."""
    size = len(json.dumps(parameters))
    if size > MAX_PARAMETERS:
        return [f"parameters have at most {MAX_PARAMETERS} bytes as JSON, not {size}"]
    problems = list(unstorable(parameters))
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
