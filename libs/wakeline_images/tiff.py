"""TIFF through tifffile: 1 to 16 bits, grey, RGB, CMYK, palette and any number of bands."""

import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from wakeline_images.errors import UnreadableImageError
from wakeline_images.formats import Source, opened, size_of
from wakeline_images.limits import Beginning, ballast, check_size
from wakeline_images.orientation import Orientation, orientation_from

MAX_BANDS = 32
MAX_BITS = 16
MOST_COLOURS = 3 << MAX_BITS
"""Numbers in a palette."""

_BROKEN = (
    tifffile.TiffFileError,
    imagecodecs.DelayedImportError,
    OSError,
    ValueError,
    RuntimeError,  # base of every error of imagecodecs
    IndexError,
    KeyError,
    TypeError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)
_ALPHA = (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)
_GREY = (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE)
_COLOUR = (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR)

# It logs what it also raises, or what `_checked` refuses: ours is the one report.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Layout:
    """What the first page's directory says."""

    width: int
    height: int
    channels: int
    """After alpha is dropped and CMYK or a palette became RGB."""
    bits: int
    orientation: Orientation
    colour: bool
    """The first three channels are red, green and blue."""


def layout_of(source: Source, max_pixels: int) -> Layout:
    """Read the directory of the first page; raises `UnreadableImageError`."""
    with _page_of(source, of_directory=True) as page:
        colours = page.tags.get("ColorMap")
        if colours is not None and colours.count > MOST_COLOURS:  # room for all is made at once
            raise ballast("TIFF")
        _ = page.colormap, page.jpegtables  # else they are read with the pixels, without a bound
        return _checked(page, source, max_pixels)


def stored_pixels(source: Source, max_pixels: int) -> tuple[NDArray[Any], Layout]:
    """Decode the first page.

    Returns
    -------
    uint8 or uint16 over its full range, shape (H, W, C), not yet turned upright; its layout

    Raises
    ------
    UnreadableImageError
        As in `wakeline_images.inspect`.
    """
    layout = layout_of(source, max_pixels)
    with _page_of(source) as page:
        pixels = page.asarray()
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and page.samplesperpixel > 1:
            pixels = np.moveaxis(pixels, 0, -1)
        pixels = pixels.reshape(layout.height, layout.width, -1)
        if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
            return _from_palette(pixels, page.colormap), layout
        pixels = _full_range(pixels, page.bitspersample)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            pixels = np.iinfo(pixels.dtype).max - pixels
        if page.photometric == tifffile.PHOTOMETRIC.SEPARATED:
            return _from_cmyk(pixels), layout
        return pixels[..., : layout.channels], layout


@contextmanager
def _page_of(source: Source, *, of_directory: bool = False) -> Iterator[Any]:
    """Open the first page; of a directory no more is read than it may have beside the pixels."""
    try:
        with opened(source) as stream:
            readable: Any = Beginning(stream, "TIFF") if of_directory else stream
            with tifffile.TiffFile(readable) as file:
                yield file.pages.first
    except UnreadableImageError:
        raise
    except _BROKEN as error:
        raise UnreadableImageError(
            "damaged-image", f"The TIFF file is damaged ({error}): export or copy it again."
        ) from error


def _checked(page: Any, source: Source, max_pixels: int) -> Layout:
    check_size(page.imagewidth, page.imagelength * page.imagedepth, max_pixels)
    check_size(page.tilewidth, page.tilelength, max_pixels)  # one small page, one huge tile
    if page.imagewidth * page.imagelength == 0 or page.imagedepth != 1:
        raise _unsupported("has an empty or a volume page", "export it as one 2-D page")
    if page.sampleformat != tifffile.SAMPLEFORMAT.UINT or page.bitspersample > MAX_BITS:
        raise _unsupported(
            f"holds {page.bitspersample}-bit {tifffile.SAMPLEFORMAT(page.sampleformat).name}",
            "scale it to unsigned 8 or 16 bits",
        )
    bounds = zip(page.dataoffsets, page.databytecounts, strict=False)
    if max((start + count for start, count in bounds), default=0) > size_of(source):
        raise UnreadableImageError(
            "truncated-image",
            "The TIFF file ends too early, as after a broken copy: send it again.",
        )
    orientation = orientation_from(page.tags.valueof("Orientation", default=1))
    channels = _channels(page)
    return Layout(
        width=page.imagewidth,
        height=page.imagelength,
        channels=channels,
        bits=page.bitspersample,
        orientation=orientation,
        colour=channels >= 3 and page.photometric not in _GREY,
    )


def _channels(page: Any) -> int:
    samples = page.samplesperpixel
    match page.photometric:
        case tifffile.PHOTOMETRIC.PALETTE:
            return 3
        case tifffile.PHOTOMETRIC.SEPARATED if samples >= 4:
            return 3
        case kind if kind in _GREY or (kind in _COLOUR and samples >= 3):
            alphas = sum(extra in _ALPHA for extra in page.extrasamples)
            if samples - alphas > MAX_BANDS:
                raise _unsupported(f"has {samples} bands", f"keep at most {MAX_BANDS}")
            return int(samples - alphas)
        case _:
            raise _unsupported(
                f"has {samples} samples of the kind {page.photometric!s}", "convert it to RGB"
            )


def _unsupported(what: str, advice: str) -> UnreadableImageError:
    return UnreadableImageError("unsupported-image", f"The TIFF file {what}: {advice}.")


def _full_range(pixels: NDArray[Any], bits: int) -> NDArray[Any]:
    """Stretch 1 to 7 bits to 8, and 9 to 15 bits to 16, so that white is the type's maximum."""
    if bits in (8, 16):
        return pixels
    white = 255 if bits < 8 else 65535
    wide = pixels.astype(np.uint32) * white // ((1 << bits) - 1)
    return wide.astype(np.uint8 if bits < 8 else np.uint16)


def _from_palette(pixels: NDArray[Any], colours: NDArray[np.uint16]) -> NDArray[np.uint8]:
    rgb = (colours[:, pixels[..., 0]] >> 8).astype(np.uint8)
    return np.moveaxis(rgb, 0, -1)


def _from_cmyk(pixels: NDArray[Any]) -> NDArray[Any]:
    """Turn inks to light, as Pillow does for JPEG: ``(1 - ink) * (1 - black)``."""
    white = np.iinfo(pixels.dtype).max
    light = (white - pixels[..., :4]).astype(np.uint32)
    return (light[..., :3] * light[..., 3:] // white).astype(pixels.dtype)
