"""``heuristic.threshold``: things that are brighter or darker than what they lie on.

A threshold for the whole image finds what stands out, leniently; each pixel must also stand out
from its surroundings, so that a dim object beside a bright one is not lost in its glow; touching
objects are cut apart at their necks; and the outline of each is drawn where it has half of its
own contrast.
"""

from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field

from wakeline_prediction.predictors import objects
from wakeline_prediction.predictors.rules import RuleParameters, channel, grey
from wakeline_prediction.predictors.segments import Segments, Stack, scored
from wakeline_prediction.predictors.thresholds import Plane, local_mean, otsu

VERSION = "1"
TAILS = (0.001, 0.999)
"""Quantiles between which the histogram lies: a few hot pixels must not stretch it."""
REACH = 1.0
"""The surroundings of a pixel reach this many radii of a large object."""


class ThresholdParameters(RuleParameters):
    """What a stage may set; the defaults suit many roundish objects on an even background."""

    band: str | None = None
    """Name of a channel or extra band; None: grey, the mean of the colours."""
    polarity: Literal["auto", "bright", "dark"] = "auto"
    """Whether objects are brighter or darker than what they lie on."""
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    """In the channel's range, 0 to 1; None: Otsu's."""
    lenience: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """How far the threshold is moved from Otsu's towards the background."""
    local: bool = True
    """Whether a pixel must stand out from its surroundings too."""
    smoothing: Annotated[float, Field(ge=0, le=50)] = 0.5
    """Radius of a Gaussian in pixels."""
    split: Annotated[float, Field(ge=0, le=1)] = objects.NECK
    """Cut objects apart at necks below this share of their width; 0: never."""
    specks: Annotated[float, Field(ge=0, le=1)] = objects.SPECK
    """Objects of less than this share of a typical one's area are dropped."""
    largest: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Objects of more than this share of the image are dropped: land beside ships, say."""


def segment(stack: Stack, channels: tuple[str, ...], parameters: ThresholdParameters) -> Segments:
    """The objects on an image.

    Raises
    ------
    CannotAnswerError
        ``no-channel`` if the image lacks the band.
    """
    values = (
        channel(stack, channels, parameters.band)
        if parameters.band is not None
        else grey(stack, channels)
    )
    if parameters.smoothing > 0:
        values = local_mean(values, parameters.smoothing)
    low, high = (float(value) for value in np.quantile(values[::2, ::2], TAILS))
    nothing = Segments(np.zeros(values.shape, np.int32), np.zeros(1))
    if high <= low:
        return nothing
    threshold = parameters.threshold
    strict = otsu(values, low, high) if threshold is None else threshold
    if are_dark(values, strict) if parameters.polarity == "auto" else parameters.polarity == "dark":
        values, strict = -values, -strict
    background = values[values <= strict]
    if not background.size or background.size == values.size:
        return nothing
    level = float(np.median(background))
    lenient = strict if threshold is not None else strict + parameters.lenience * (level - strict)
    labels = objects.split(_standing_out(values, lenient, local=parameters.local), parameters.split)
    if threshold is None:
        labels = at_half_contrast(labels, values, level)
    labels = objects.drop_large(labels, parameters.largest * labels.size)
    return scored(objects.drop_specks(labels, parameters.specks), values, lenient)


def are_dark(values: Plane, threshold: float) -> bool:
    """Whether the dark side of a threshold is the objects'.

    The background goes round: of both sides it is the one whose largest connected piece covers
    more of the image's border.
    """
    bright = values > threshold
    return _share_of_border(bright) > _share_of_border(~bright)


def at_half_contrast(labels: objects.Labels, values: Plane, background: float) -> objects.Labels:
    """Cut each object back to where it has half of its own contrast, without opening holes."""
    counts = np.bincount(labels.ravel())
    means = np.bincount(labels.ravel(), weights=values.ravel()) / np.maximum(counts, 1)
    kept = (labels > 0) & (values > ((means + background) / 2)[labels])
    return np.where(objects.fill_holes(kept), labels, 0).astype(np.int32)


def _standing_out(values: Plane, threshold: float, *, local: bool) -> objects.Foreground:
    found = objects.fill_holes(values > threshold)
    if not local or not found.any():
        return found
    depth = cv2.distanceTransform(found.astype(np.uint8), cv2.DIST_L2, 5)
    radius = float(np.quantile(depth[found], 0.98))
    reach = REACH * radius
    # So wide a mean needs few pixels: it is taken from a smaller image.
    step = max(1, int(reach / 4))
    height, width = values.shape
    size = (max(1, width // step), max(1, height // step))
    small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    around = cv2.resize(local_mean(np.asarray(small), reach / step), (width, height))
    # What encloses more than an object is a ring of objects, and what it encloses is ground.
    largest = np.pi * radius**2
    return objects.fill_holes((values > threshold) & (values > around), largest)


def _share_of_border(part: objects.Foreground) -> float:
    labels = objects.components(part)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    counts = np.bincount(border, minlength=2)
    return float(counts[1:].max() / border.size)
