"""COCO's run-length encoding as numbers, checked before anything trusts it.

Source: ``rleFrString`` and ``rleToString`` of ``maskApi.c`` in cocodataset/cocoapi. The C code
there reads past the end of a cut text and believes any run length; this module does neither.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Runs = NDArray[np.int64]
"""Run lengths in pixels, shape (K,), column by column, background first."""

MAX_PIXELS = 2**28
"""Largest height x width of an image that may carry a mask: 16,384 x 16,384."""

_MAX_DIGITS = 7  # 35 bits: more than any run of MAX_PIXELS needs


def parse_counts(counts: str, height: int, width: int) -> Runs:
    """Read COCO's compressed text form of the run lengths of one mask.

    Each run is written in groups of five bits, lowest first, as characters from ``0`` on; from
    the fourth run on it is the difference to the run before the last one.

    Returns
    -------
    int64, shape (K,), pixels
        Non-negative, alternating background and foreground, and together ``height * width``.

    Raises
    ------
    ValueError
        If the size is absurd, the text holds other characters or ends within a number, or the
        runs do not fill the image exactly.
    """
    pixels = check_size(height, width)
    if not counts.isascii():
        raise ValueError("mask counts hold characters that are not of COCO's encoding")
    if not 0 < len(counts) <= _MAX_DIGITS * (pixels + 2):
        raise ValueError(f"mask counts of {len(counts)} characters cannot be of {pixels} pixels")
    digits = np.frombuffer(counts.encode("ascii"), dtype=np.uint8).astype(np.int64) - 48
    if digits.min() < 0 or digits.max() > 63:
        raise ValueError("mask counts hold characters that are not of COCO's encoding")
    ends = np.flatnonzero((digits & 0x20) == 0)
    if not ends.size or ends[-1] != digits.size - 1:
        raise ValueError("mask counts end in the middle of a number")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _MAX_DIGITS:
        raise ValueError("mask counts hold a number that is too large")
    places = np.arange(digits.size) - np.repeat(starts, lengths)
    runs = np.add.reduceat((digits & 0x1F) << (5 * places), starts)
    runs -= np.where(digits[ends] & 0x10, np.int64(1) << (5 * lengths), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return check_runs(runs, height, width)


def check_runs(runs: Sequence[int] | Runs, height: int, width: int) -> Runs:
    """The run lengths as an array, if they fill an image of ``height`` x ``width`` pixels.

    Raises
    ------
    ValueError
        If the size is absurd, a run is negative or not whole, or their sum is another.
    """
    pixels = check_size(height, width)
    array = np.asarray(runs)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iu":
        raise ValueError("mask runs must be a list of whole numbers")
    if int(array.min()) < 0:
        raise ValueError("mask runs must not be negative")
    # A run above the number of pixels is caught by itself, so that no sum can overflow.
    if int(array.max()) > pixels or (total := int(array.sum(dtype=np.int64))) > pixels:
        raise ValueError(f"mask runs are more than the {pixels} pixels of {height} x {width}")
    if total < pixels:
        raise ValueError(f"mask runs are {total} pixels, not the {pixels} of {height} x {width}")
    return array.astype(np.int64)


def check_size(height: int, width: int) -> int:
    """The number of pixels of an image.

    Raises
    ------
    ValueError
        If a side is not positive, or the image has more than ``MAX_PIXELS`` pixels.
    """
    if height <= 0 or width <= 0:
        raise ValueError(f"a mask needs a positive size, not {height} x {width}")
    if height * width > MAX_PIXELS:
        raise ValueError(f"a mask of {height} x {width} is above the limit of {MAX_PIXELS} pixels")
    return height * width


def canonical(runs: Runs) -> Runs:
    """The same raster with no empty run but a first one, so that equal rasters have equal runs.

    pycocotools stops too early where empty runs of two masks meet, so it never gets others.
    """
    values = np.arange(runs.size) % 2
    kept = runs > 0
    if kept[1:].all():
        return runs
    runs, values = runs[kept], values[kept]
    starts = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
    merged = np.add.reduceat(runs, starts)
    return np.concatenate(([0], merged)) if values[0] else merged
