"""How much one image may hold: pixels, and what lies beside them and is kept in memory too."""

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from wakeline_images.errors import UnreadableImageError
from wakeline_images.formats import Format

MAX_PIXELS = 100_000_000
"""Default limit of one image, in pixels."""
MOST_BYTES_BESIDE = 16 * 1024 * 1024
"""Of colour profiles, texts and the like in one file: readers hold all of them, some twice."""

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Of a pixel, by a PNG's colour type."""


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuse a header that promises more pixels than are allowed, before any is decoded."""
    if width * height > max_pixels:
        raise UnreadableImageError(
            "image-too-large",
            f"The image is {width} x {height} = {width * height / 1e6:.0f} megapixels; "
            f"{max_pixels / 1e6:g} are allowed: cut it into tiles.",
        )


def check_ballast(stream: BinaryIO, kind: Format, max_pixels: int) -> None:
    """Refuse a PNG or a WebP of which a reader would take more into memory than its pixels need.

    Chunks of a PNG are read whole, those behind the pixels too, and a WebP is read whole at once.
    The stream is at its beginning again afterwards.

    Raises
    ------
    UnreadableImageError
        ``image-too-large``.
    struct.error
        If its header is cut.
    """
    length = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if kind == "PNG":
        _check_png(stream, length, max_pixels)
    elif kind == "WEBP":
        width, height = _size_of_webp(stream.read(30))
        check_size(width, height, max_pixels)
        if length > _packed(4 * width * height) + MOST_BYTES_BESIDE:
            raise ballast("WEBP")
    stream.seek(0)


class Beginning:
    """A stream of which no more is read than the parts before an image's pixels may have."""

    def __init__(self, stream: BinaryIO, kind: Format) -> None:
        self._stream = stream
        self._kind = kind
        self._left: int | None = None if kind == "WEBP" else MOST_BYTES_BESIDE

    def pixels_follow(self) -> None:
        """From here on the reader takes as much as it wants."""
        self._left = None

    def read(self, size: int = -1) -> bytes:
        """Read like a file."""
        if self._left is None:
            return self._stream.read(size)
        most = max(0, self._left + 1)  # a reader that goes on all the same gets nothing
        data = self._stream.read(most if size < 0 else min(size, most))
        self._left -= len(data)
        if self._left < 0:
            raise ballast(self._kind)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go elsewhere like a file."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Say where it is like a file."""
        return self._stream.tell()


def _check_png(stream: BinaryIO, length: int, max_pixels: int) -> None:
    width, height, depth, colour = struct.unpack(">16xIIBB", stream.read(26))
    check_size(width, height, max_pixels)
    # A row begins with a byte that names its filter; of an interlaced image there are twice as
    # many rows, each of them rounded up to a byte.
    row = width * depth * _SAMPLES.get(colour, 4) // 8 + 8
    most = _packed(row * height)
    pixels = beside = 0
    for name, there in png_chunks(stream, length):
        if name == b"IDAT":
            pixels += there
        elif name != b"fdAT" or there > most:  # those of later frames are dropped one by one
            beside += there
        if pixels > most or beside > MOST_BYTES_BESIDE:
            raise ballast("PNG")


def png_chunks(stream: BinaryIO, length: int) -> Iterator[tuple[bytes, int]]:
    """Yield each chunk's name and bytes, up to the end of a PNG or to where it is cut.

    Parameters
    ----------
    length : of the stream, in bytes; what is said of a file that was cut is not there
    """
    at = 8
    while at < length:
        stream.seek(at)
        size, name = struct.unpack(">I4s", stream.read(8).ljust(8, b"\0"))
        if name == b"IEND":
            return
        yield name, min(12 + size, length - at)
        at += 12 + size


def _size_of_webp(head: bytes) -> tuple[int, int]:
    """Return width and height; of what is no WebP (0, 0)."""
    match head[12:16]:
        case b"VP8X":
            width, height = head[24:27], head[27:30]
            return 1 + int.from_bytes(width, "little"), 1 + int.from_bytes(height, "little")
        case b"VP8L":
            both = int.from_bytes(head[21:25], "little")
            return 1 + (both & 0x3FFF), 1 + (both >> 14 & 0x3FFF)
        case b"VP8 ":
            both = int.from_bytes(head[26:30], "little")
            return both & 0x3FFF, both >> 16 & 0x3FFF
        case _:
            return 0, 0


def _packed(size: int) -> int:
    """Return the most bytes that pixels of so many have in a file, however badly they pack."""
    return size + size // 8 + 65_536


def ballast(kind: Format) -> UnreadableImageError:
    """Make the refusal of a file that holds too much."""
    return UnreadableImageError(
        "image-too-large",
        f"The {kind} file holds far more than its pixels: save it without texts, profiles, "
        "previews and further frames.",
    )
