"""Decoding: from a file's bytes to upright pixels with named channels."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from wakeline_images import pillow, tiff
from wakeline_images.formats import Format, Source, format_of
from wakeline_images.limits import MAX_PIXELS
from wakeline_images.orientation import Orientation, upright_pixels

GREY = ("grey",)
COLOUR = ("red", "green", "blue")


@dataclass(frozen=True, slots=True)
class Decoded:
    """An image's upright pixels."""

    pixels: NDArray[Any]
    """uint8 or uint16 over its full range, shape (H, W, C)."""
    channels: tuple[str, ...]
    """C names: ``grey``, or ``red, green, blue``, with ``band4``... behind them; a TIFF of
    several bands that does not call itself a colour picture has ``band1, band2, ...``."""
    format: Format
    orientation: Orientation
    """How the file stores them; already applied to ``pixels``."""


def decode(source: Source, max_pixels: int = MAX_PIXELS, *, enough: int | None = None) -> Decoded:
    """Read an image (of an animated file its first frame; of a TIFF its first page).

    Alpha is dropped, CMYK and palettes become RGB, 1-bit pictures 0 and 255, other depths are
    stretched to 8 or 16 bits; colour profiles are not applied.

    Parameters
    ----------
    source : bytes, or the path of a file, which is then read in place
    max_pixels : images of more pixels are refused before they are decoded
    enough : pixels that will do
        A format that can be decoded to a smaller picture (JPEG: a half, a quarter, an eighth of
        each side) is, down to no fewer than these; None: in full. The whole file is read in any
        case, so what is wrong with it shows just as well.

    Raises
    ------
    UnreadableImageError
        With its code and a message for the person who sent the file.
    """
    kind = format_of(source)
    if kind == "TIFF":
        stored, layout = tiff.stored_pixels(source, max_pixels)
        orientation, names = layout.orientation, _names(layout.channels, layout.colour)
    else:
        stored, orientation = pillow.stored_pixels(source, kind, max_pixels, enough)
        names = COLOUR if stored.shape[2] == 3 else GREY
    return Decoded(upright_pixels(stored, orientation), names, kind, orientation)


def read_image(source: Source, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Read an image's upright pixels: uint8 or uint16, shape (H, W, C); see `decode`."""
    return decode(source, max_pixels).pixels


def _names(channels: int, colour: bool) -> tuple[str, ...]:
    if channels == 1:
        return GREY
    named = COLOUR if colour else ()
    return named + tuple(f"band{n}" for n in range(len(named) + 1, channels + 1))
