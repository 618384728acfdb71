"""What simulated people cost: the effort model ``effort-1``, constants and sources in one place.

Seconds of human time. Constants marked *assumed* have no source: reports show how far the
headline ratio moves when each is halved and doubled. Changing any needs an ADR and both results.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Literal

MODEL = "effort-1"

CONFIRM_MASK_IOU = 0.85
"""A mask this close to what the person wants is confirmed as it is."""
CONFIRM_BOX_IOU = 0.80
EDIT_IOU = 0.5
"""Below this a pre-label is removed, and the object found and drawn."""

Drawn = Literal["box", "mask", "point", "classification"]
"""How an object is drawn; polygons cost what masks cost."""
Kind = Literal["open", "find", "draw", "confirm", "change-class", "remove", "edit"]


@dataclass(frozen=True)
class Constants:
    """Seconds a step takes."""

    open: float = 3.0
    """Image up, look over it. Assumed."""
    find: float = 2.0
    """An object that no pre-label marks. Assumed."""
    draw_box: float = 25.5
    """ILSVRC interface, as given in arXiv 1712.08087."""
    draw_mask: float = 80.0
    """COCO: about 80 s an instance."""
    draw_point: float = 2.0
    """Assumed."""
    classify: float = 3.0
    """Assumed."""
    verify: float = 1.8
    """Look at a pre-label and decide. Assumed from 1.6-2 s a box, arXiv 1602.08405."""
    change_class: float = 2.0
    """On top of ``verify``. Assumed."""
    remove: float = 1.5
    """On top of ``verify``. Assumed."""
    edit_floor: float = 0.1
    """Share of ``draw`` that the smallest edit costs. Assumed."""
    edit_slope: float = 1.5
    """Share of ``draw`` for each unit of ``1 - IoU``. Assumed; keeps a mask edit at IoU .75-.9
    between 20 and 38 s, where the SAM data engine went from 34 to 14 s a mask."""

    def draw(self, drawn: Drawn) -> float:
        """Seconds to draw one object."""
        return {
            "box": self.draw_box,
            "mask": self.draw_mask,
            "point": self.draw_point,
            "classification": self.classify,
        }[drawn]


ASSUMED = (
    "open",
    "find",
    "draw_point",
    "classify",
    "verify",
    "change_class",
    "remove",
    "edit_floor",
    "edit_slope",
)


@dataclass(frozen=True)
class Step:
    """One thing that a person did."""

    kind: Kind
    drawn: Drawn = "mask"
    iou: float = 0.0
    """Of an edited shape with what the person wanted, in [0, 1]."""


def seconds(steps: Iterable[Step], constants: Constants | None = None) -> float:
    """Human time that steps take, in seconds."""
    known = constants or Constants()
    return sum(_seconds(step, known) for step in steps)


def halved_and_doubled(name: str) -> tuple[Constants, Constants]:
    """The constants with one assumed constant at half and at twice its value."""
    if name not in ASSUMED:
        raise ValueError(f"{name} is not an assumed constant: {', '.join(ASSUMED)}")
    value = getattr(Constants(), name)
    return replace(Constants(), **{name: value / 2}), replace(Constants(), **{name: value * 2})


def _seconds(step: Step, known: Constants) -> float:
    match step.kind:
        case "open":
            return known.open
        case "find":
            return known.find
        case "draw":
            return known.draw(step.drawn)
        case "confirm":
            return known.verify
        case "change-class":
            return known.verify + known.change_class
        case "remove":
            return known.verify + known.remove
        case "edit":
            share = known.edit_floor + known.edit_slope * (1 - step.iou)
            return known.verify + known.draw(step.drawn) * min(1.0, max(known.edit_floor, share))


@dataclass(frozen=True)
class Errors:
    """How one person errs; drawn once per person from the seed. All ranges assumed."""

    miss: float
    """Share of objects overlooked."""
    confuse: float
    """Share of objects given a wrong class."""
    mask_iou: float
    """IoU of a drawn or edited mask with the truth."""
    box_iou: float
    anchor: float
    """Share of pre-labels that should be removed or edited, but are accepted."""


RANGES: dict[str, tuple[float, float]] = {
    "miss": (0.01, 0.05),
    "confuse": (0.01, 0.05),
    "mask_iou": (0.88, 0.95),
    "box_iou": (0.85, 0.95),
    "anchor": (0.02, 0.10),
}
OVERLOOK_FACTOR = 1.5
"""An object without a pre-label is overlooked this much more often beside others that have one."""
COST_PER_HOUR = {"labeler": 12.0, "expert": 60.0}
"""Assumed."""


def errors_of(draw: dict[str, float], *, expert: bool) -> Errors:
    """A person's errors from uniform draws in [0, 1); experts have the low ends.

    Parameters
    ----------
    draw
        One number for each field of :class:`Errors`.
    """
    values: dict[str, float] = {}
    for field in fields(Errors):
        low, high = RANGES[field.name]
        good_is_high = field.name.endswith("iou")
        if expert:
            values[field.name] = high if good_is_high else low
        else:
            values[field.name] = low + (high - low) * draw[field.name]
    return Errors(**values)
