"""Small images with truth, for tests of people and figures."""

import numpy as np

from wakeline_demo.effort import Errors
from wakeline_demo.person import Person
from wakeline_geometry import masks
from wakeline_geometry.shapes import Annotation, Box, Mask, Predicted, Shape

SIZE = (120, 160)
"""Height and width of every image."""
CLASSES = ("crop", "weed")
FAULTLESS = Errors(miss=0, confuse=0, mask_iou=0.92, box_iou=0.9, anchor=0)
"""Somebody who overlooks and confuses nothing, and draws as people draw."""
USUAL = Errors(miss=0.03, confuse=0.03, mask_iou=0.92, box_iou=0.9, anchor=0.06)


def disc(x: float, y: float, radius: float) -> Mask:
    """A round object."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return masks.encode((columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 <= radius**2)


def _round(name: str, class_name: str, at: tuple[float, float, float], kind: str) -> Annotation:
    x, y, radius = at
    box = Box(corners=(x - radius, y - radius, x + radius, y + radius))
    geometry = disc(x, y, radius) if kind == "mask" else box
    return Annotation(id=name, class_name=class_name, geometry=geometry)


def truth(seed: int, kind: str = "mask") -> list[Shape]:
    """Four objects in the four quarters of an image; another seed, other places and sizes."""
    random = np.random.default_rng(seed)
    found: list[Shape] = []
    for number, (x, y) in enumerate(((40, 30), (120, 30), (40, 90), (120, 90))):
        at = (x + random.uniform(-15, 15), y + random.uniform(-10, 10), random.uniform(9, 14))
        found.append(_round(f"t{number}", CLASSES[number % 2], at, kind))
    return found


def elsewhere(seed: int, kind: str = "mask") -> list[Shape]:
    """Four objects of another image: anywhere."""
    random = np.random.default_rng([seed, 1])
    found: list[Shape] = []
    for number in range(4):
        x, y, radius = random.uniform((15, 15, 9), (SIZE[1] - 15, SIZE[0] - 15, 14))
        found.append(_round(f"t{number}", CLASSES[number % 2], (x, y, radius), kind))
    return found


def shown(shapes: list[Shape]) -> list[Predicted]:
    """The same shapes as pre-labels."""
    return [
        Predicted(id=f"s{number}", class_name=shape.class_name, geometry=shape.geometry)
        for number, shape in enumerate(shapes)
    ]


def person(errors: Errors = FAULTLESS) -> Person:
    """Somebody with these errors."""
    return Person(errors, CLASSES)


def luck(*seed: int) -> np.random.Generator:
    """Somebody's luck on an image."""
    return np.random.default_rng(seed)
