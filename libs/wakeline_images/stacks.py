"""Stacks: an image and its extra bands as one float array with a name per channel."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wakeline_images.errors import UnreadableImageError
from wakeline_images.formats import Source
from wakeline_images.limits import MAX_PIXELS
from wakeline_images.reading import Decoded, decode


def read_stack(
    image: Source, bands: Mapping[str, Source], max_pixels: int = MAX_PIXELS
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Read an image with its extra bands.

    Parameters
    ----------
    image : the image, bytes or path
    bands : extra bands by name, e.g. ``nir``; of a band with several channels the first is taken
    max_pixels : larger images and bands are refused

    Returns
    -------
    stack : float32, shape (H, W, C), in [0, 1]
        Upright; 1 is the largest value of the file's depth.
    channels : C names
        The image's (see `Decoded`), then the bands' in sorted order.

    Raises
    ------
    UnreadableImageError
        As in `decode`; ``band-size-differs`` if a band is not of the image's upright size.
    """
    decoded = {name: decode(source, max_pixels) for name, source in bands.items()}
    return stack_bands(decode(image, max_pixels), decoded)


def stack_bands(
    image: Decoded, bands: Mapping[str, Decoded]
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Stack what is decoded already; see `read_stack`."""
    names = tuple(sorted(bands))
    height, width = image.pixels.shape[:2]
    for name in names:
        if bands[name].pixels.shape[:2] != (height, width):
            other_height, other_width = bands[name].pixels.shape[:2]
            raise UnreadableImageError(
                "band-size-differs",
                f"The band {name!r} is {other_width} x {other_height}, its image {width} x "
                f"{height} pixels (upright): export both on the same grid.",
            )
    first = image.pixels.shape[2]
    stack = np.empty((height, width, first + len(names)), np.float32)
    stack[..., :first] = scale_to_unit(image.pixels)
    for index, name in enumerate(names, start=first):
        stack[..., index] = scale_to_unit(bands[name].pixels[..., 0])
    return stack, image.channels + names


def scale_to_unit(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Scale unsigned integers of any shape to float32 in [0, 1]; white becomes 1."""
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
