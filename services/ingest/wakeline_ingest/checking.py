"""Decoding checks: from the files of one upload to what is worth keeping of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from wakeline_images import (
    Decoded,
    ImageFacts,
    UnreadableImageError,
    check_extension,
    decode,
    inspect,
    thumbnail,
    upright_pixels,
)
from wakeline_ingest.domain.errors import FileRefusedError
from wakeline_ingest.domain.fingerprints import WORK_AREA, sketch
from wakeline_ingest.ports import SentFile

Companions = Literal["stored", "upright"]
"""The grid of bands and masks without an orientation of their own: the stored pixels of an image
that has one, or its upright pixels."""


@dataclass(frozen=True, slots=True)
class CheckPolicy:
    """What is let in."""

    max_pixels: int
    refuse_wrong_extensions: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """An upload that can become an asset."""

    facts: ImageFacts
    thumbnail: bytes
    """JPEG."""
    sketch: bytes
    """What the fingerprint is taken from, later."""
    turned: Mapping[str, bytes] = field(default_factory=dict)
    """Bands and masks that had to be turned with their image: part -> PNG or TIFF."""


def check(
    image: SentFile, parts: Mapping[str, SentFile], companions: Companions, policy: CheckPolicy
) -> Checked:
    """Decode the image and everything that came with it; takes a while, so not in the event loop.

    Every byte of every file goes through its decoder: what is accepted can be read. Of the image
    no more pixels are made than a thumbnail and a sketch need, where its format has a choice.

    Parameters
    ----------
    image : the file of the image
    parts : ``band.<name>`` and ``mask.<name>`` -> file

    Raises
    ------
    FileRefusedError
        With the name of the part and the reason's code.
    """
    facts = _refusing("image", lambda: inspect(image.path, policy.max_pixels))
    if policy.refuse_wrong_extensions:
        _refusing("image", lambda: check_extension(image.name, facts))
    decoded = _refusing("image", lambda: decode(image.path, policy.max_pixels, enough=WORK_AREA))
    turned: dict[str, bytes] = {}
    for name, sent in parts.items():
        companion = _refusing(name, lambda sent=sent: decode(sent.path, policy.max_pixels))
        pixels = _upright(companion, facts, companions)
        if pixels.shape[:2] != (facts.height, facts.width):
            raise FileRefusedError(
                name,
                "band-size-differs",
                f"{name} is {pixels.shape[1]} x {pixels.shape[0]}, its image {facts.width} x "
                f"{facts.height} pixels (upright): export both on the same grid.",
            )
        if pixels is not companion.pixels:
            turned[name] = _lossless(pixels)
    return Checked(facts, thumbnail(decoded.pixels), sketch(decoded.pixels), turned)


def _refusing(part: str, read: Any) -> Any:
    try:
        return read()
    except UnreadableImageError as error:
        raise FileRefusedError(part, error.code, error.message) from error


def _upright(companion: Decoded, image: ImageFacts, companions: Companions) -> NDArray[Any]:
    """Turn what was made on the image's stored pixels; what says its own orientation is right."""
    if image.orientation == 1 or companion.orientation != 1 or companions == "upright":
        return companion.pixels
    width, height = image.stored_size
    if companion.pixels.shape[:2] != (height, width):
        return companion.pixels  # only fits upright, or not at all
    return upright_pixels(companion.pixels, image.orientation)


def _lossless(pixels: NDArray[Any]) -> bytes:
    if pixels.shape[2] in (1, 3):
        swapped = pixels[..., ::-1] if pixels.shape[2] == 3 else pixels
        _, encoded = cv2.imencode(".png", np.ascontiguousarray(swapped))
        return encoded.tobytes()
    return bytes(imagecodecs.tiff_encode(pixels))
