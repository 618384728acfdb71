"""What a file is: told by its first bytes, compared with its name, found to be cut at its end."""

import io
import os
from pathlib import Path
from typing import BinaryIO, Literal

from wakeline_images.errors import UnreadableImageError

Format = Literal["JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP"]
Source = bytes | Path
"""An image as bytes, or as a file on disk that is read in place."""

EXTENSIONS: dict[str, Format] = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".apng": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".gif": "GIF",
    ".webp": "WEBP",
    ".bmp": "BMP",
}
TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
TAIL_BYTES = 4096


def opened(source: Source) -> BinaryIO:
    """Open a source for reading; the caller closes it."""
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def size_of(source: Source) -> int:
    """Return the length of a source in bytes."""
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def format_of(source: Source) -> Format:
    """Tell the format by the first bytes; a name never decides.

    Raises
    ------
    UnreadableImageError
        ``empty-file``, ``not-an-image``, or ``unsupported-image`` for a picture format that
        Wakeline does not read.
    """
    with opened(source) as stream:
        head = stream.read(32)
    if not head:
        raise UnreadableImageError("empty-file", "The file has zero bytes: send it again.")
    known = _known_format(head)
    if known is not None:
        return known
    other = _other_format(head)
    if other is not None:
        raise UnreadableImageError(
            "unsupported-image",
            f"The file is a {other} file, which is not read here: save it as PNG, JPEG or TIFF.",
        )
    raise UnreadableImageError(
        "not-an-image",
        "The file does not begin like any image format: check that it is an image, not e.g. a "
        "web page or an archive that was saved under an image's name.",
    )


def is_cut(source: Source, kind: Format) -> bool:
    """Say whether the end that a whole file of this format must have is missing."""
    with opened(source) as stream:
        length = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, length - TAIL_BYTES))
        tail = stream.read(TAIL_BYTES)
        stream.seek(0)
        head = stream.read(12)
    match kind:
        case "JPEG":
            return b"\xff\xd9" not in tail
        case "PNG":
            return b"IEND" not in tail
        case "GIF":
            return b"\x3b" not in tail[-16:]
        case "WEBP":
            return int.from_bytes(head[4:8], "little") + 8 > length
        case "BMP":
            return int.from_bytes(head[2:6], "little") > length
        case "TIFF":  # its directory may stand anywhere; the decoder compares the offsets
            return False


def _known_format(head: bytes) -> Format | None:
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(TIFF_MAGICS):
        return "TIFF"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(b"BM") and len(head) >= 18 and head[6:10] == b"\0\0\0\0":
        return "BMP"
    return None


def _other_format(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return "HEIF/AVIF or video"
    if head.startswith((b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")):
        return "JPEG 2000"
    if head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "JPEG XL"
    if head.startswith(b"8BPS"):
        return "Photoshop"
    if head.startswith(b"%PDF"):
        return "PDF"
    if head.lstrip().startswith((b"<svg", b"<?xml")):
        return "SVG or XML"
    return None
