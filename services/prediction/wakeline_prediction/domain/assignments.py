"""A target with all that its answer would be made from, and the answers themselves."""

from collections.abc import Mapping
from dataclasses import dataclass

from wakeline_events.base import Asset
from wakeline_events.shapes import PredictionSet
from wakeline_prediction.domain import choice
from wakeline_prediction.domain.choice import Candidate
from wakeline_prediction.domain.records import Answer, Serving, Stage, Target, UploadedShapes

NOBODY = "none"
"""Stands for the predictor where no predictor could answer."""


@dataclass(frozen=True)
class Assignment:
    """A target that has a task, with all that may answer as of one moment."""

    target: Target
    stage: Stage
    serving: Serving
    candidates: tuple[Candidate, ...]
    uploads: Mapping[str, UploadedShapes]
    """Content of the candidates that are uploads, by id."""
    withdrawn: bool = False
    """Its image is not to be had, so nobody looks at it."""

    @property
    def basis(self) -> str:
        """See ``choice.basis``."""
        return choice.basis(self.stage, self.serving, self.candidates)

    @property
    def is_due(self) -> bool:
        """Whether an answer is wanted, and there is none of this basis or of a later epoch."""
        if not self.target.wanted:
            return False
        answer = self.target.answer
        return answer is None or (answer.epoch <= self.serving.epoch and answer.basis != self.basis)

    @property
    def asset(self) -> Asset:
        """What is to be looked at."""
        if self.target.asset is None:
            raise ValueError(f"target {self.target.id} has no task")
        return self.target.asset

    @property
    def first_choice(self) -> str:
        """The predictor that should have answered."""
        return self.candidates[0].predictor if self.candidates else NOBODY

    def asks_the_same_as(self, other: "Assignment") -> bool:
        """Whether an answer to this one is an answer to the other."""
        return (
            self.basis == other.basis
            and self.withdrawn == other.withdrawn
            and self.target.task_id == other.target.task_id
            and self.target.focus_regions == other.target.focus_regions
        )


@dataclass(frozen=True)
class Completed:
    """Somebody answered."""

    candidate: Candidate
    shapes: PredictionSet
    uncertainty: float

    @property
    def predictor(self) -> str:
        """Who."""
        return self.candidate.predictor

    def answer(self, assignment: Assignment, prediction_id: str) -> Answer:
        """What the target keeps of it."""
        return Answer(
            epoch=assignment.serving.epoch,
            basis=assignment.basis,
            predictor=self.predictor,
            prediction_id=prediction_id,
            uncertainty=self.uncertainty,
        )


@dataclass(frozen=True)
class Failed:
    """Nobody could answer."""

    predictor: str
    code: str
    reason: str

    def answer(self, assignment: Assignment) -> Answer:
        """What the target keeps of it."""
        return Answer(
            epoch=assignment.serving.epoch,
            basis=assignment.basis,
            predictor=self.predictor,
            code=self.code,
        )


Outcome = Completed | Failed
