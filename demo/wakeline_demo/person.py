"""A simulated person: sees the truth of an image through their errors, decides, and draws.

The model is described in :mod:`wakeline_demo.effort`. Misses and confusions are in the eyes;
boundary noise is in the hands, so a pre-label is compared with the object as it is, and whatever
the person draws or edits is off by their own noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wakeline_demo import hands
from wakeline_demo.effort import (
    CONFIRM_BOX_IOU,
    CONFIRM_MASK_IOU,
    EDIT_IOU,
    OVERLOOK_FACTOR,
    Drawn,
    Errors,
    Step,
)
from wakeline_geometry.overlap import pairwise_iou
from wakeline_geometry.shapes import Annotation, Geometry, Predicted, Shape


@dataclass(frozen=True)
class Outcome:
    """What a person handed in, and what they did for it."""

    annotations: tuple[Annotation, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Person:
    """One person with their own errors."""

    errors: Errors
    classes: tuple[str, ...]

    def label(
        self,
        truth: Sequence[Shape],
        shown: Sequence[Shape],
        size: tuple[int, int],
        random: np.random.Generator,
    ) -> Outcome:
        """Label one image.

        Parameters
        ----------
        truth
            The objects of the image.
        shown
            The pre-labels that the person sees; empty in the control arm.
        size
            (height, width) of the image in pixels.
        random
            The person's luck on this image.
        """
        steps: list[Step] = [Step("open")]
        annotations: list[Annotation] = []
        overlaps = _overlaps(truth, shown, size)
        belongs = self._match(overlaps)
        served: set[int] = set()
        # The best pre-label of an object is looked at first; a second one is one too many.
        order = sorted(range(len(shown)), key=lambda i: -belongs[i][1])
        for index in order:
            target, iou = belongs[index]
            if target is not None and target in served:
                target, iou = None, 0.0
            wanted = truth[target] if target is not None else None
            step, annotation = self._decide(index, shown[index], wanted, iou, size, random)
            steps.append(step)
            if annotation is not None:
                annotations.append(annotation)
                # A wrong pre-label that was let through does not stand for the object below it.
                if target is not None and iou >= EDIT_IOU:
                    served.add(target)
        overlooked = self.errors.miss * (OVERLOOK_FACTOR if served else 1.0)
        for index, wanted in enumerate(truth):
            if index in served or random.random() < overlooked:
                continue
            steps += [Step("find"), Step("draw", drawn_as(wanted.geometry))]
            annotations.append(
                Annotation(
                    id=f"d{index}",
                    class_name=self._class(wanted.class_name, random),
                    geometry=self._draw(wanted.geometry, size, random),
                )
            )
        return Outcome(tuple(annotations), tuple(steps))

    def _match(self, overlaps: np.ndarray) -> list[tuple[int | None, float]]:
        """For each pre-label the object with the highest IoU, and that IoU."""
        if overlaps.shape[0] == 0:
            return [(None, 0.0)] * overlaps.shape[1]
        best = overlaps.argmax(axis=0)
        return [
            (int(t), float(overlaps[t, i])) if overlaps[t, i] > 0 else (None, 0.0)
            for i, t in enumerate(best)
        ]

    def _decide(
        self,
        index: int,
        shape: Shape,
        wanted: Shape | None,
        iou: float,
        size: tuple[int, int],
        random: np.random.Generator,
    ) -> tuple[Step, Annotation | None]:
        as_shown = Annotation(
            id=f"p{index}",
            class_name=shape.class_name,
            geometry=shape.geometry,
            prelabel_id=shape.id,
        )
        drawn = drawn_as(shape.geometry)
        confirm_at = CONFIRM_BOX_IOU if drawn == "box" else CONFIRM_MASK_IOU
        if wanted is not None and iou >= confirm_at:
            class_name = self._class(wanted.class_name, random)
            if class_name == shape.class_name:
                return Step("confirm"), as_shown
            return Step("change-class"), as_shown.model_copy(update={"class_name": class_name})
        if random.random() < self.errors.anchor:
            return Step("confirm"), as_shown
        if wanted is not None and iou >= EDIT_IOU:
            edited = as_shown.model_copy(
                update={
                    "class_name": self._class(wanted.class_name, random),
                    "geometry": self._draw(wanted.geometry, size, random),
                }
            )
            return Step("edit", drawn, iou), edited
        return Step("remove"), None

    def _class(self, name: str, random: np.random.Generator) -> str:
        others = [c for c in self.classes if c != name]
        if others and random.random() < self.errors.confuse:
            return str(random.choice(others))
        return name

    def _draw(
        self, wanted: Geometry, size: tuple[int, int], random: np.random.Generator
    ) -> Geometry:
        target = self.errors.box_iou if drawn_as(wanted) == "box" else self.errors.mask_iou
        return hands.kept_inside(hands.draw(wanted, target, random), size)


def drawn_as(geometry: Geometry) -> Drawn:
    """How an object of this geometry is drawn."""
    match geometry.kind:
        case "box" | "point" | "classification":
            return geometry.kind
        case _:
            return "mask"


def as_shown(annotations: Sequence[Annotation]) -> list[Predicted]:
    """A label as a reviewer sees it: its shapes are looked at as pre-labels are."""
    return [Predicted(id=a.id, class_name=a.class_name, geometry=a.geometry) for a in annotations]


def _overlaps(truth: Sequence[Shape], shown: Sequence[Shape], size: tuple[int, int]) -> np.ndarray:
    if not truth or not shown:
        return np.zeros((len(truth), len(shown)))
    return pairwise_iou([s.geometry for s in truth], [s.geometry for s in shown], size)
