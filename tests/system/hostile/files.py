"""Files that call themselves images, for the door of ingest."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import tifffile
from PIL import Image

from tests.system.hostile.attack import Attack

KINDS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
NOISE = np.random.default_rng(7).integers(0, 255, (64, 64, 3), np.uint8)


def attacks(dataset: str, damaged: int) -> Iterator[Attack]:
    """Every broken file, as an image, as a band and under hostile names.

    ``damaged``: randomly damaged files of each kind; such a file may still be an image.
    """
    for name, data in broken().items():
        for attack in (
            _upload(dataset, name, ("image.png", data)),
            _upload(dataset, f"{name}, as a band", ("b.png", whole("PNG")), ("b.png", data)),
        ):
            harmless = name.startswith("animated") or name in HARMLESS
            yield replace(attack, expected="answered") if harmless else attack
    random = np.random.default_rng(11)
    for kind in KINDS:
        for number in range(damaged):
            data = bytearray(whole(kind))
            for place in random.integers(0, len(data), 6):
                data[place] = random.integers(0, 256)
            attack = _upload(dataset, f"{kind} damaged, number {number}", ("x", bytes(data)))
            yield replace(attack, expected="answered")
    for number, name in enumerate(FILE_NAMES):
        data = whole("PNG", seed=100 + number)
        attack = _upload(dataset, f"file name {name[:30]!r}", (name, data))
        yield replace(attack, expected="answered")
    for part in ("band.../../x", "band.", "mask.$x", "secret", "__proto__", "band." + "a" * 99):
        files = [("image", ("x.png", whole("PNG", seed=200))), (part, ("x.png", whole("PNG")))]
        yield _posted(dataset, f"part {part[:30]!r}", {"files": files})
    for field, value in FIELDS:
        yield _posted(
            dataset,
            f"{field} {value[:30]!r}",
            {"files": {"image": ("x.png", whole("PNG", seed=300))}, "data": {field: value}},
        )


HARMLESS = frozenset({"PNG whose data inflates to 200 MB"})
"""No more than the image's own pixels is ever inflated. Of an animation the first frame counts."""
FILE_NAMES = ("../../../etc/passwd", "C:\\x.png", "a\x00b.png", "\u202egnp.exe", "a" * 300, ".", "")
FIELDS = (
    ("metadata", "[" * 50_000),
    ("metadata", '{"a": NaN}'),
    ("metadata", '{"a": 1, "a": 2, '),
    ("metadata", "[1, 2]"),
    ("parent", "../../other"),
    ("parent", "nobody:" + "0" * 64),
    ("group", "g" * 5_000),
    ("unknown", "x"),
)


def broken() -> dict[str, bytes]:
    """Files of which none is a good image."""
    found = {
        "no bytes": b"",
        "HTML": b"<!doctype html><p>gone",
        "SVG with a script": b"<svg xmlns='http://www.w3.org/2000/svg'><script>x</script></svg>",
        "a zip bomb": _zip_bomb(),
        "PDF": b"%PDF-1.7\n" + bytes(100),
        "an endless GIF": b"GIF89a" + bytes(40),
        "PNG of 60,000 by 60,000": png_that_promises(60_000, 60_000),
        "PNG of 2^31 - 1 columns": png_that_promises(2**31 - 1, 1),
        "PNG of no size": png_that_promises(0, 0),
        "PNG whose data inflates to 200 MB": png_that_promises(4, 4, bytes(200_000_000)),
        "PNG with a text of 100 MB": png_with_text(100_000_000),
        "PNG with a chunk of 40 MB": png_with_chunk(40_000_000),
        "PNG with 40 MB behind its pixels": png_with_chunk(40_000_000, behind=True),
        "JPEG with 40 MB before its pixels": _jpeg_with_segments(600),
        "WEBP with 40 MB of EXIF": _webp_with_exif(40_000_000),
        "JPEG of 65,500 by 65,500": _jpeg_that_promises(65_500),
        "animated GIF": _animated("GIF"),
        "animated WEBP": _animated("WEBP"),
        "animated PNG": _animated("PNG"),
        "TIFF that points at itself": _tiff_that_points_at_itself(),
        "TIFF of complex numbers": _tiff(np.zeros((8, 8), np.complex64)),
        "TIFF of NaN": _tiff(np.full((8, 8), np.nan, np.float32)),
        "TIFF of many pages": _tiff(np.zeros((40, 8, 8), np.uint8)),
    }
    for kind in KINDS:
        data = whole(kind)
        for share in (0.1, 0.5, 0.9):
            found[f"{kind}, the first {share:.0%}"] = data[: int(len(data) * share)]
        found[f"{kind} with another magic"] = b"\x00\x01" + data[2:]
    return found


def whole(kind: str, seed: int = 0) -> bytes:
    """A good image."""
    stream = io.BytesIO()
    noise = np.roll(NOISE, seed, axis=0)
    Image.fromarray(noise).save(stream, kind)
    return stream.getvalue()


def png_that_promises(width: int, height: int, body: bytes = bytes(1_000)) -> bytes:
    """A PNG whose header says more, or less, than its data holds."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(body)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def png_with_text(size: int) -> bytes:
    """A PNG with a compressed text that is larger than any image."""
    header = struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)
    text = _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * size))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + text + _chunk(b"IEND", b"")


def png_with_chunk(size: int, *, behind: bool = False) -> bytes:
    """A good PNG with a private chunk that no reader needs."""
    data, chunk = whole("PNG"), _chunk(b"prVt", bytes(size))
    at = len(data) - 12 if behind else data.index(b"IDAT") - 4
    return data[:at] + chunk + data[at:]


def _jpeg_with_segments(count: int) -> bytes:
    data = whole("JPEG")
    return data[:2] + (b"\xff\xe5\xff\xff" + bytes(65_533)) * count + data[2:]


def _webp_with_exif(size: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(NOISE).save(stream, "WEBP", exif=bytes(size))
    return stream.getvalue()


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _jpeg_that_promises(side: int) -> bytes:
    data = bytearray(whole("JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", side, side)
    return bytes(data)


def _animated(kind: str) -> bytes:
    stream = io.BytesIO()
    frames = [Image.fromarray(np.roll(NOISE, shift, axis=1)) for shift in range(5)]
    frames[0].save(stream, kind, save_all=True, append_images=frames[1:], duration=10, loop=0)
    return stream.getvalue()


def _tiff(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array)
    return stream.getvalue()


def _tiff_that_points_at_itself() -> bytes:
    entry = struct.pack("<HHII", 256, 4, 1, 8)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + entry + struct.pack("<I", 8)


def _zip_bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("../../image.png", bytes(50_000_000))
    return stream.getvalue()


def _upload(
    dataset: str, name: str, image: tuple[str, bytes], band: tuple[str, bytes] | None = None
) -> Attack:
    files = {"image": image} | ({"band.nir": band} if band is not None else {})
    return _posted(dataset, name, {"files": files})


def _posted(dataset: str, name: str, request: dict[str, object]) -> Attack:
    path = f"/v1/datasets/{dataset}/assets"
    return Attack("files", name, "ingest", "POST", path, request=request)
