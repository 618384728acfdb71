"""What the header of an image says, without decoding a pixel."""

from dataclasses import dataclass
from pathlib import PurePath

from wakeline_images import tiff
from wakeline_images.errors import UnreadableImageError
from wakeline_images.formats import EXTENSIONS, Format, Source, format_of
from wakeline_images.limits import MAX_PIXELS
from wakeline_images.orientation import Orientation, upright_size
from wakeline_images.pillow import opened_image, png_depth, stored_orientation

_GREY_MODES = ("1", "L", "LA")
_GREY_PNGS = (0, 4)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image is once it has been read: alpha dropped, CMYK and palettes turned to RGB."""

    format: Format
    width: int
    """Upright, in pixels."""
    height: int
    """Upright, in pixels."""
    channels: int
    """Channels of the array that `read_image` returns."""
    bits: int
    """Bits per sample in the file, 1 to 16."""
    orientation: Orientation
    """How the stored pixels are turned to stand upright; 1 = they stand already."""

    @property
    def stored_size(self) -> tuple[int, int]:
        """``(width, height)`` in stored pixels, for what comes in those coordinates."""
        return upright_size(self.width, self.height, self.orientation)


def inspect(source: Source, max_pixels: int = MAX_PIXELS) -> ImageFacts:
    """Read an image's header.

    Parameters
    ----------
    source : bytes, or the path of a file, of which only the header is read
    max_pixels : refuse headers that promise more than this

    Raises
    ------
    UnreadableImageError
        With every code but ``band-size-differs`` and ``wrong-extension``. A file that is cut
        behind its header passes here: only decoding shows it.
    """
    kind = format_of(source)
    if kind == "TIFF":
        layout = tiff.layout_of(source, max_pixels)
        width, height = upright_size(layout.width, layout.height, layout.orientation)
        return ImageFacts(kind, width, height, layout.channels, layout.bits, layout.orientation)
    with opened_image(source, kind, max_pixels) as image:
        orientation = stored_orientation(image, source)
        width, height = upright_size(*image.size, orientation)
        channels = 1 if image.mode in _GREY_MODES else 3
        bits = 1 if image.mode == "1" else 8
        if kind == "PNG":
            bits, colour = png_depth(source)
            channels = 1 if colour in _GREY_PNGS else 3
        return ImageFacts(kind, width, height, channels, bits, orientation)


def check_extension(name: str, facts: ImageFacts) -> None:
    """Refuse a file whose name says one image format and whose bytes are another.

    The bytes always decide how a file is read; a contradiction is refused all the same, because
    in practice it means that the export that made the file went wrong. A name without an
    extension, or with one that names no image format, contradicts nothing.

    Raises
    ------
    UnreadableImageError
        ``wrong-extension``.
    """
    extension = PurePath(name).suffix.lower()
    named = EXTENSIONS.get(extension)
    if named is not None and named != facts.format:
        right = next(key for key, value in EXTENSIONS.items() if value == facts.format)
        raise UnreadableImageError(
            "wrong-extension",
            f"The file is called {extension} but holds a {facts.format} image: "
            f"rename it to {right} if that is what you meant to send.",
        )
