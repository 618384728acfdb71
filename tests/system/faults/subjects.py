"""What people label: pictures that mean nothing, or cuts of real images with their truth."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from random import Random
from typing import Any, Protocol

import numpy as np
from PIL import Image

from wakeline_demo import folders

SIZE = 32
"""Pixels a side of a picture that means nothing."""
CUT = 240
"""Pixels a side of a cut."""
LEAST_LEFT = 0.5
"""Share of an object's area that must lie within a cut for people to draw it."""
TURNS = (None, *(Image.Transpose(turn) for turn in (0, 1, 3)))
"""As it is, mirrored, upside down, and both: four pictures of one cut."""
Shapes = list[dict[str, Any]]


class Subject(Protocol):
    """What senders send and labelers draw."""

    classes: tuple[str, ...]

    def picture(self, number: int) -> tuple[bytes, str | None]:
        """A picture that looks like no other, and its group where it has one."""

    def shapes(self, asset_id: str, random: Random) -> Shapes:
        """What a person draws on an asset."""


class Noise:
    """Pictures of a seed, and boxes anywhere: enough for every promise but that models learn."""

    classes: tuple[str, ...] = ("weed",)

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def picture(self, number: int) -> tuple[bytes, str | None]:
        """Four by four colours, blurred."""
        random = np.random.default_rng([self._seed, number])
        coarse = random.integers(0, 255, (4, 4, 3), np.uint8)
        return _png(Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC)), None

    def shapes(self, asset_id: str, random: Random) -> Shapes:
        """One to three boxes."""
        return [_drawn(n, "weed", _anywhere(random)) for n in range(random.randint(1, 3))]


class RealImages:
    """Cuts of a folder of images with boxes: annotations.json (COCO) and images/.

    Each cut lies in the group of its image; people draw what is really there, give or take a
    pixel. There are four times as many pictures as cuts.
    """

    def __init__(self, folder: Path) -> None:
        """Read the folder.

        Raises
        ------
        wakeline_demo.folders.FolderError
            If it is none, or its truth is not boxes.
        """
        found = folders.read(folder)
        if found.kind != "box":
            raise folders.FolderError(f"the truth of {folder} is not boxes")
        self.classes = found.classes
        self._places = [
            (image, left, top)
            for top in range(0, max(image.height for image in found.images) - CUT + 1, CUT)
            for left in range(0, max(image.width for image in found.images) - CUT + 1, CUT)
            for image in found.images
            if left + CUT <= image.width and top + CUT <= image.height
        ]
        self._truth: dict[str, list[tuple[str, list[float]]]] = {}
        """SHA-256 of each picture that was asked for -> what is on it."""

    def picture(self, number: int) -> tuple[bytes, str | None]:
        """One cut of each image, then the next of each; raises IndexError after the last."""
        turn, place = divmod(number, len(self._places))
        image, left, top = self._places[place]
        with Image.open(image.path) as whole:
            cut = whole.convert("RGB").crop((left, top, left + CUT, top + CUT))
        how = TURNS[turn]
        data = _png(cut if how is None else cut.transpose(how))
        self._truth[hashlib.sha256(data).hexdigest()] = [
            (shape.class_name, _turned(corners, how))
            for shape in image.shapes
            if (corners := _within(shape.geometry.corners, left, top))  # type: ignore[union-attr]
        ]
        return data, image.path.stem

    def shapes(self, asset_id: str, random: Random) -> Shapes:
        """What is there, as a hand with a pixel's tremor draws it."""
        truth = self._truth[asset_id.rpartition(":")[2]]
        return [
            _drawn(number, name, [_clipped(random.gauss(one, 0.7)) for one in corners])
            for number, (name, corners) in enumerate(truth)
        ]


def _within(corners: tuple[float, ...], left: int, top: int) -> list[float]:
    """A box of an image in a cut's own pixels; empty if too little of it is there."""
    x_min, y_min, x_max, y_max = corners
    inside = [_clipped(x_min - left), _clipped(y_min - top)]
    inside += [_clipped(x_max - left), _clipped(y_max - top)]
    left_over = (inside[2] - inside[0]) * (inside[3] - inside[1])
    return inside if left_over >= LEAST_LEFT * (x_max - x_min) * (y_max - y_min) else []


def _turned(corners: list[float], how: Image.Transpose | None) -> list[float]:
    x_min, y_min, x_max, y_max = corners
    if how in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180):
        x_min, x_max = CUT - x_max, CUT - x_min
    if how in (Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_180):
        y_min, y_max = CUT - y_max, CUT - y_min
    return [x_min, y_min, x_max, y_max]


def _clipped(place: float) -> float:
    return min(max(place, 0.0), float(CUT))


def _anywhere(random: Random) -> list[float]:
    left, top = random.randint(0, 20), random.randint(0, 20)
    return [float(left), float(top), left + 10.0, top + 8.0]


def _drawn(number: int, class_name: str, corners: list[float]) -> dict[str, Any]:
    geometry = {"kind": "box", "corners": corners}
    return {"id": f"w{number}", "class_name": class_name, "geometry": geometry}


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()
