"""``heuristic.ndvi``: plants stand out from soil by what they reflect in the near infrared.

The index is (nir - red) / (nir + red) with a term that keeps the noise of dark pixels down. Plants
are what lies above a threshold that divides the image's own values, within limits that keep bare
soil bare; a plant is a connected piece.

Sources: Rouse et al. (1974) for the index; Huete, "A soil-adjusted vegetation index" (1988) for
the term.
"""

from typing import Annotated

import numpy as np
from pydantic import Field

from wakeline_prediction.predictors import objects
from wakeline_prediction.predictors.rules import RuleParameters, channel
from wakeline_prediction.predictors.segments import Segments, Stack, scored
from wakeline_prediction.predictors.thresholds import Plane, local_mean, otsu

VERSION = "1"
LEAST_INDEX = 0.15
"""Below this nothing is a plant, however the image's values divide."""
GREATEST_INDEX = 0.6
"""Above this everything is."""


class NdviParameters(RuleParameters):
    """What a stage may set; the defaults suit pictures of single plants on soil."""

    nir: str = "nir"
    red: str = "red"
    soil: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Huete's L, for reflectances in [0, 1]; 0 gives the plain index."""
    threshold: Annotated[float, Field(gt=-1, lt=1)] | None = None
    """None: Otsu's, within 0.15 and 0.6."""
    smoothing: Annotated[float, Field(ge=0, le=50)] = 0.6
    """Radius of a Gaussian in pixels, over both bands before they are divided."""
    gap: Annotated[int, Field(ge=0, le=200)] = 0
    """Leaves that are up to twice this many pixels apart belong to one plant."""
    split: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Cut plants apart at necks below this share of their width; 0: never, leaves are slim."""
    specks: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Pieces of less than this share of a typical one's area are dropped."""


def vegetation_index(nir: Plane, red: Plane, soil: float) -> Plane:
    """The soil-adjusted index of each pixel; above -1 - soil and below 1 + soil, 0 on black.

    Parameters
    ----------
    nir, red : float32, shape (H, W), in [0, 1]
    soil
        In [0, 1].
    """
    total = nir + red + np.float32(soil)
    index = np.zeros_like(nir)
    np.divide((1 + soil) * (nir - red), total, out=index, where=total > 0)
    return index


def segment(stack: Stack, channels: tuple[str, ...], parameters: NdviParameters) -> Segments:
    """The plants on an image.

    Raises
    ------
    CannotAnswerError
        ``no-channel`` if the image has no red or no near-infrared band.
    """
    nir = channel(stack, channels, parameters.nir)
    red = channel(stack, channels, parameters.red)
    if parameters.smoothing > 0:
        nir, red = (local_mean(band, parameters.smoothing) for band in (nir, red))
    index = vegetation_index(nir, red, parameters.soil)
    threshold = parameters.threshold
    if threshold is None:
        threshold = min(max(otsu(index, -1.0, 1.0), LEAST_INDEX), GREATEST_INDEX)
    plants = index > threshold
    labels = (
        objects.split(plants, parameters.split)
        if parameters.split > 0
        else objects.components(objects.close_gaps(plants, parameters.gap))
    )
    labels = np.where(plants, labels, 0).astype(np.int32)
    return scored(objects.drop_specks(labels, parameters.specks), index, threshold)
