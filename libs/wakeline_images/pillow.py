"""Everything but TIFF, through Pillow: opened lazily, checked first, errors translated."""

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, Any, cast

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, WebPImagePlugin  # noqa: F401 (registers WEBP)
from PIL.JpegImagePlugin import JpegImageFile

from wakeline_images.errors import UnreadableImageError
from wakeline_images.formats import Format, Source, is_cut, opened
from wakeline_images.limits import Beginning, check_ballast, check_size, png_chunks
from wakeline_images.orientation import Orientation, orientation_from

_ORIENTATION_TAG = 0x0112
_PNG_HEAD_BYTES = 26
_WORDS = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt"})
"""Chunks of a PNG that may say how it is turned."""
_BROKEN = (OSError, SyntaxError, ValueError, struct.error, zlib.error, EOFError, IndexError)

# `check_size` is stricter, configurable, and an error instead of a warning. Pillow's own limit
# is global to the process and would refuse what a customer's higher limit allows.
Image.MAX_IMAGE_PIXELS = None


@contextmanager
def opened_image(source: Source, kind: Format, max_pixels: int) -> Iterator[Image.Image]:
    """Open an image without decoding it; what goes wrong meanwhile becomes a refusal.

    Raises
    ------
    UnreadableImageError
        Also if it has more pixels than are allowed, or far more beside them.
    """
    try:
        with opened(source) as stream:
            check_ballast(stream, kind, max_pixels)
            beginning = Beginning(stream, kind)
            with Image.open(cast(IO[bytes], beginning), formats=[kind]) as image:
                check_size(*image.size, max_pixels)
                beginning.pixels_follow()
                yield image
    except UnreadableImageError:
        raise
    except (UnidentifiedImageError, *_BROKEN) as error:
        raise refusal(source, kind, error) from error


def refusal(source: Source, kind: Format, error: Exception) -> UnreadableImageError:
    """Say in a person's words why a file that began well could not be read."""
    if is_cut(source, kind) or "truncated" in str(error).lower():
        return UnreadableImageError(
            "truncated-image",
            f"The {kind} file ends too early, as after a broken copy: send it again.",
        )
    return UnreadableImageError(
        "damaged-image",
        f"The {kind} file is damaged ({error}): export or copy it again.",
    )


def stored_orientation(image: Image.Image, source: Source) -> Orientation:
    """Read the EXIF orientation; an unreadable EXIF block means upright."""
    # Pillow decodes a PNG whose head holds none to its end, since it may come behind the pixels.
    if image.format == "PNG" and not _speaks_behind_its_pixels(source):
        getexif = partial(Image.Image.getexif, image)
    else:
        getexif = partial(image.getexif)
    try:
        return orientation_from(getexif().get(_ORIENTATION_TAG, 1))
    except (struct.error, SyntaxError, KeyError, TypeError):
        return 1


def _speaks_behind_its_pixels(source: Source) -> bool:
    """Whether a PNG says something behind its pixels that may be an orientation."""
    with opened(source) as stream:
        pixels = False
        for name, _ in png_chunks(stream, stream.seek(0, os.SEEK_END)):
            pixels = pixels or name == b"IDAT"
            if pixels and name in _WORDS:
                return True
    return False


def png_depth(source: Source) -> tuple[int, int]:
    """Return a PNG's bits per sample and its colour type; the caller knows it is a PNG."""
    with opened(source) as stream:
        head = stream.read(_PNG_HEAD_BYTES)
    return head[24], head[25]


def stored_pixels(
    source: Source, kind: Format, max_pixels: int, enough: int | None = None
) -> tuple[Any, Orientation]:
    """Decode the first frame; with ``enough`` pixels, no more of them than that needs.

    Returns
    -------
    uint8 or uint16, shape (H, W, 1) or (H, W, 3), not yet turned upright; and the orientation
    """
    with opened_image(source, kind, max_pixels) as image:
        if enough is not None:
            _shrink(image, enough)
        deep = _deep_png(source) if kind == "PNG" else None
        pixels = deep if deep is not None else _array(image)
        return pixels, stored_orientation(image, source)


def _shrink(image: Image.Image, enough: int) -> None:
    """Have a JPEG's blocks decoded to fewer pixels each; its whole stream is read all the same."""
    if not isinstance(image, JpegImageFile):
        return
    width, height = image.size
    for scale in (8, 4, 2):
        smaller = (width // scale, height // scale)
        if smaller[0] * smaller[1] >= enough:
            image.draft(image.mode, smaller)
            return


def _array(image: Image.Image) -> NDArray[Any]:
    if image.mode.startswith("I"):
        return np.asarray(image).astype(np.uint16)[..., None]
    mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    plain = image if image.mode == mode else image.convert(mode)  # which copies in any case
    return np.asarray(plain).reshape(image.height, image.width, 1 if mode == "L" else 3)


def _deep_png(source: Source) -> NDArray[Any] | None:
    """Decode 16-bit PNGs of several channels, which Pillow would reduce to 8 bits."""
    depth, colour = png_depth(source)
    if depth != 16 or colour == 0:
        return None
    try:
        pixels = imagecodecs.png_decode(_mapped(source))
    except imagecodecs.PngError as error:
        raise ValueError(str(error)) from error
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return np.asarray(pixels[..., :1] if pixels.shape[2] < 3 else pixels[..., :3])


def _mapped(source: Source) -> bytes | mmap.mmap:
    """Return a source's bytes, of which those of a file take no memory of this process."""
    if isinstance(source, bytes):
        return source
    with source.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
