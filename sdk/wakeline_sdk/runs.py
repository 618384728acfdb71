"""COCO's run-length encoding of masks, in plain Python.

Source: ``rleFrString`` and ``rleToString`` of ``maskApi.c`` in cocodataset/cocoapi. Run lengths
are pixels column by column, background first.
"""

from collections.abc import Sequence
from itertools import accumulate

Size = tuple[int, int]
"""``(height, width)`` of an image in pixels."""

MAX_PIXELS = 2**28
"""Largest height x width of an image that may carry a mask."""


def parse(counts: str, size: Size) -> list[int]:
    """The run lengths that COCO's compressed text stands for.

    Each run is written in groups of five bits, lowest first, as characters from ``0`` on; from
    the fourth run on it is the difference to the run before the last one.

    Raises
    ------
    ValueError
        If the text is not COCO's, or its runs do not fill an image of this size exactly.
    """
    runs: list[int] = []
    value = shift = 0
    for character in counts:
        digit = ord(character) - 48
        if not 0 <= digit < 64:
            raise ValueError("mask counts hold characters that are not of COCO's encoding")
        value |= (digit & 0x1F) << shift
        shift += 5
        if digit & 0x20:
            if shift > 35:
                raise ValueError("mask counts hold a number that is too large")
            continue
        if digit & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("mask counts end in the middle of a number")
    return canonical(runs, size)


def canonical(runs: Sequence[int], size: Size) -> list[int]:
    """The same mask with no empty run but a first one.

    Raises
    ------
    ValueError
        If the runs are not whole and positive, or do not fill an image of this size exactly.
    """
    height, width = size
    if height <= 0 or width <= 0 or height * width > MAX_PIXELS:
        raise ValueError(f"a mask cannot be of {height} x {width} pixels")
    if not runs or any(type(run) is not int or run < 0 for run in runs):
        raise ValueError("mask runs must be a list of whole numbers that are not negative")
    if sum(runs) != height * width:
        raise ValueError(
            f"mask runs are {sum(runs)} pixels, not the {height * width} of {height} x {width}"
        )
    kept: list[int] = []
    for index, run in enumerate(runs):
        if (len(kept) - index) % 2:  # an empty run fell out: this one goes on with the last kept
            kept[-1] += run
        elif run or not kept:
            kept.append(run)
    return kept


def text_of(runs: Sequence[int]) -> str:
    """COCO's compressed text of run lengths."""
    characters = []
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run
        more = True
        while more:
            digit = value & 0x1F
            value >>= 5
            more = value != -1 if digit & 0x10 else value != 0
            characters.append(chr(48 + (digit | 0x20 if more else digit)))
    return "".join(characters)


def area(runs: Sequence[int]) -> int:
    """The number of foreground pixels."""
    return sum(runs[1::2])


def extent(runs: Sequence[int], height: int) -> tuple[float, float, float, float] | None:
    """``(x_min, y_min, x_max, y_max)`` around the foreground's pixels; None if there is none."""
    edges = list(accumulate(runs))
    spans = list(zip(edges[0:-1:2], edges[1::2], strict=False))
    if not spans:
        return None
    x_min, x_max = spans[0][0] // height, (spans[-1][1] - 1) // height + 1
    if any(start // height != (end - 1) // height for start, end in spans):
        return x_min, 0, x_max, height  # a run that goes on in the next column touches both ends
    y_min = min(start % height for start, _ in spans)
    y_max = max((end - 1) % height for _, end in spans) + 1
    return x_min, y_min, x_max, y_max
