"""Image channels in the order a model wants them, standardised and at its working scale."""

import cv2
import numpy as np
from numpy.typing import NDArray

from wakeline_models.errors import ModelError

Stack = NDArray[np.float32]
"""Image channels in [0, 1], shape (H, W, C)."""

GREY = "grey"
COLOURS = ("red", "green", "blue")

DARK = np.float32(0.02)
"""Five of 255 grey levels: differences well below this are noise, not brightness."""


def select(stack: Stack, have: tuple[str, ...], want: tuple[str, ...]) -> Stack:
    """Take the wanted channels of a stack.

    Grey pictures may stand in for colour and colour for grey, because collections of images mix
    both; any other channel must be there.

    Returns
    -------
    float32, shape (H, W, len(want))

    Raises
    ------
    ModelError
        ``channels-differ`` if a wanted channel cannot be had.
    """
    if have == want:
        return stack
    planes = dict(zip(have, np.moveaxis(stack, 2, 0), strict=True))
    if GREY in planes:
        planes |= {colour: planes[GREY] for colour in COLOURS if colour not in planes}
    elif all(colour in planes for colour in COLOURS):
        planes[GREY] = np.mean([planes[colour] for colour in COLOURS], axis=0, dtype=np.float32)
    if missing := [name for name in want if name not in planes]:
        raise ModelError(
            "channels-differ",
            f"The model wants the channels {', '.join(want)}; the image lacks {', '.join(missing)}",
        )
    return np.stack([planes[name] for name in want], axis=2)


def resize(stack: Stack, scale: float) -> Stack:
    """Resize a stack to working pixels: averaged where it shrinks, interpolated where it grows.

    Returns
    -------
    float32, shape (max(1, round(H * scale)), max(1, round(W * scale)), C)
    """
    height, width = (max(1, round(side * scale)) for side in stack.shape[:2])
    if (height, width) == stack.shape[:2]:
        return stack
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    planes = [
        cv2.resize(np.ascontiguousarray(plane), (width, height), interpolation=how)
        for plane in np.moveaxis(stack, 2, 0)
    ]
    return np.stack(planes, axis=2).astype(np.float32, copy=False)


def brightness(stack: Stack, out: Stack | None = None) -> Stack:
    """The logarithm of each pixel: light multiplies, so that what differs is a ratio.

    A shadow, a weak stain or a short exposure then shifts an image instead of flattening it, and
    an index such as NDVI, which is a ratio of bands, is a difference that one layer can learn.

    Parameters
    ----------
    stack : float32, any shape, in [0, 1]
    out : float32, the same shape; holds the result, where memory is there already

    Returns
    -------
    float32, the same shape, in [-4, 0.1]
    """
    shifted = np.add(stack, DARK, out=out)
    return np.asarray(np.log(shifted, out=shifted), dtype=np.float32)


def standardise(stack: Stack, mean: tuple[float, ...], std: tuple[float, ...]) -> Stack:
    """Shift and scale each channel's brightness, and put the channels first.

    Returns
    -------
    float32, shape (C, H, W)
    """
    planes = np.empty((stack.shape[2], *stack.shape[:2]), np.float32)
    for plane, channel, middle, spread in zip(
        planes, np.moveaxis(stack, 2, 0), mean, std, strict=True
    ):
        brightness(channel, out=plane)
        plane -= np.float32(middle)
        plane /= np.float32(spread)
    return planes
