"""What all rules share: their parameters, how they pick a channel, and the port they answer on."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Generic, Literal, TypeVar

import numpy as np
from pydantic import Field, ValidationError

from wakeline_events.configuration import problems_of
from wakeline_events.strict import Strict
from wakeline_geometry.shapes import AttributeValue
from wakeline_prediction.domain.errors import CannotAnswerError, PredictorRefusedError
from wakeline_prediction.domain.mapping import ClassAndKind, class_for
from wakeline_prediction.ports import Question, Result
from wakeline_prediction.predictors.segments import Segments, Stack, at_working_scale, shapes_of
from wakeline_prediction.predictors.thresholds import Plane

COLOURS = ("red", "green", "blue")


class RuleParameters(Strict):
    """What every rule lets a stage set; a misspelt parameter is refused."""

    class_name: str | None = None
    """Class of all shapes; None: the first of the ontology that takes the geometry."""
    kind: Literal["mask", "box", "polygon", "point"] | None = None
    """Kind of geometry; None: the first that the class takes."""
    least_score: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Shapes below it are not shown: each one that is shown costs somebody a look."""


P = TypeVar("P", bound=RuleParameters)


@dataclass(frozen=True)
class Rule(Generic[P]):
    """A heuristic as a predictor: one that needs no data, only the picture."""

    name: str
    segment: Callable[[Stack, tuple[str, ...], P], Segments]
    parameters: type[P]

    async def predict(self, question: Question) -> Result:
        """Propose a shape for each object that the rule finds.

        Raises
        ------
        CannotAnswerError
            If the image lacks a channel, or no class takes what the rule can draw.
        PredictorRefusedError
            ``invalid-parameters``: the stage sets something that the rule does not know.
        """
        parameters = self._read(question.candidate.parameters)
        target = class_for(question.ontology, parameters.class_name, parameters.kind)
        picture = await question.picture()
        return await asyncio.to_thread(
            self._answer, picture.stack, picture.channels, parameters, target
        )

    def _read(self, given: Mapping[str, AttributeValue]) -> P:
        try:
            return self.parameters.model_validate(given)
        except ValidationError as error:
            reason = f"{self.name}: {problems_of(error)}"
            raise PredictorRefusedError("invalid-parameters", reason) from error

    def _answer(
        self, stack: Stack, channels: tuple[str, ...], parameters: P, target: ClassAndKind
    ) -> Result:
        found = at_working_scale(stack, lambda part: self.segment(part, channels, parameters))
        shapes = shapes_of(found, target.class_name, target.kind)
        return Result(tuple(shape for shape in shapes if shape.score >= parameters.least_score))


def channel(stack: Stack, channels: tuple[str, ...], name: str) -> Plane:
    """One channel of a stack, shape (H, W).

    Raises
    ------
    CannotAnswerError
        ``no-channel`` if the image lacks it.
    """
    if name not in channels:
        raise CannotAnswerError(
            "no-channel", f"the image has no channel {name!r}, only {', '.join(channels)}"
        )
    return np.ascontiguousarray(stack[..., channels.index(name)])


def grey(stack: Stack, channels: tuple[str, ...]) -> Plane:
    """The mean of the colours, or the first channel where there are none, shape (H, W)."""
    if not all(colour in channels for colour in COLOURS):
        return np.ascontiguousarray(stack[..., 0])
    colours = [channels.index(colour) for colour in COLOURS]
    return np.asarray(stack[..., colours].mean(axis=2), dtype=np.float32)
