"""Bad files are refused with a stable code and advice, before they cost memory."""

import contextlib
import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from wakeline_images import UnreadableImageError, check_extension, decode, inspect, read_image

NOISE = np.random.default_rng(3).integers(0, 255, (200, 300, 3), np.uint8, endpoint=True)


def encoded(kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    if kind == "TIFF":
        tifffile.imwrite(stream, NOISE, photometric="rgb", **options)
    else:
        Image.fromarray(NOISE).save(stream, kind, **options)
    return stream.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_that_promises(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def code_of(data: bytes | Path, **options: Any) -> str:
    with pytest.raises(UnreadableImageError) as refusal:
        read_image(data, **options)
    assert refusal.value.message.endswith(".")
    return refusal.value.code


def test_zero_bytes_are_refused() -> None:
    assert code_of(b"") == "empty-file"


@pytest.mark.parametrize(
    "data", [b"<!doctype html><p>gone", b"PK\x03\x04zip", b"\0" * 64, b"\xff", b"GIF"]
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    assert code_of(data) == "not-an-image"


@pytest.mark.parametrize(
    "data", [b"\0\0\0\x18ftypheic" + bytes(40), b"%PDF-1.7", b"\0\0\0\x0cjP  \r\n\x87\n", b"8BPS"]
)
def test_other_picture_formats_are_named_in_the_refusal(data: bytes) -> None:
    assert code_of(data) == "unsupported-image"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_cut_files_are_refused(kind: str, share: float, tmp_path: Path) -> None:
    whole = encoded(kind)
    cut = whole[: int(len(whole) * share)]
    path = tmp_path / "cut"
    path.write_bytes(cut)
    assert code_of(cut) == code_of(path) == "truncated-image"


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_cut_jpeg_is_refused_however_few_pixels_are_wanted(
    share: float, progressive: bool
) -> None:
    whole = encoded("JPEG", progressive=progressive)
    with pytest.raises(UnreadableImageError) as refusal:
        decode(whole[: int(len(whole) * share)], enough=100)
    assert refusal.value.code == "truncated-image"


@pytest.mark.parametrize("compression", ["zlib", "lzw", None])
def test_cut_tiffs_are_refused_however_they_are_packed(compression: str | None) -> None:
    whole = encoded("TIFF", compression=compression)
    assert code_of(whole[:-5000]) in ("truncated-image", "damaged-image")


def test_cut_png_of_16_bits_is_refused(tmp_path: Path) -> None:
    whole = imagecodecs.png_encode(NOISE.astype(np.uint16) * 257)
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    assert code_of(whole[: len(whole) // 2]) == code_of(tmp_path / "cut") == "truncated-image"


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_every_cut_of_a_header_is_a_refusal_and_no_crash(kind: str) -> None:
    whole = encoded(kind)
    for length in range(1, 200):
        with pytest.raises(UnreadableImageError):
            read_image(whole[:length])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP"])
def test_random_damage_is_a_refusal_or_an_image_and_no_crash(kind: str) -> None:
    whole = bytearray(encoded(kind))
    random = np.random.default_rng(11)
    for _ in range(60):
        data = whole.copy()
        for place in random.integers(0, min(len(data), 600), 4):
            data[place] = random.integers(0, 256)
        with contextlib.suppress(UnreadableImageError):  # any other error fails the test
            assert read_image(bytes(data), max_pixels=10**6).ndim == 3


def test_bombs_are_refused_by_their_header_alone() -> None:
    bomb = png_that_promises(60_000, 60_000)
    tracemalloc.start()
    assert code_of(bomb) == "image-too-large"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
    with pytest.raises(UnreadableImageError, match="3600 megapixels"):
        inspect(bomb)


def test_bomb_as_tiff_is_refused_too() -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((16, 16), np.uint8))
    data = bytearray(stream.getvalue())
    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        tags = file.pages.first.tags
    for name in ("ImageWidth", "ImageLength"):
        at = tags[name].valueoffset
        data[at : at + 2] = b"\xff\xff"
    assert code_of(bytes(data)) == "image-too-large"


def test_limit_is_the_callers() -> None:
    data = encoded("PNG")
    assert read_image(data, max_pixels=60_000).shape == (200, 300, 3)
    assert code_of(data, max_pixels=59_999) == "image-too-large"


def test_float_tiff_is_refused_with_advice() -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, NOISE.astype(np.float32), photometric="rgb")
    assert code_of(stream.getvalue()) == "unsupported-image"


def test_name_that_contradicts_the_bytes_is_refused() -> None:
    facts = inspect(encoded("PNG"))
    with pytest.raises(UnreadableImageError, match=r"called \.jpg but holds a PNG") as refusal:
        check_extension("Field 7.JPG", facts)
    assert refusal.value.code == "wrong-extension"


@pytest.mark.parametrize("name", ["a.png", "A.PNG", "a", "a.dat", "scan.v2"])
def test_name_that_contradicts_nothing_passes(name: str) -> None:
    check_extension(name, inspect(encoded("PNG")))


def png_with(size: int, place: str) -> bytes:
    """A good PNG that holds some bytes more."""
    whole = encoded("PNG")
    start, end = whole.index(b"IDAT") - 4, len(whole) - 12
    packed = struct.unpack_from(">I", whole, start)[0]
    body, rest = whole[start + 8 : start + 8 + packed], whole[start + 12 + packed :]
    match place:
        case "a text":
            return whole[:start] + chunk(b"tEXt", b"a\0" + bytes(size)) + whole[start:]
        case "a private chunk":
            return whole[:start] + chunk(b"prVt", bytes(size)) + whole[start:]
        case "a private chunk behind":
            return whole[:end] + chunk(b"prVt", bytes(size)) + whole[end:]
        case "a frame behind":
            return whole[:end] + chunk(b"fdAT", bytes(size)) + whole[end:]
        case "pixels behind":
            return whole[:end] + chunk(b"IDAT", bytes(size)) + whole[end:]
        case "pixels without an end":
            return whole[:start] + chunk(b"IDAT", body + bytes(size)) + rest
    raise AssertionError(place)


def jpeg_with(size: int, _: str) -> bytes:
    whole, segment = encoded("JPEG"), b"\xff\xe5\xff\xff" + bytes(65_533)
    return whole[:2] + segment * (size // len(segment)) + whole[2:]


def gif_with(size: int, _: str) -> bytes:
    whole, block = encoded("GIF"), b"\xff" + bytes(255)
    start = 13 + (3 << ((whole[10] & 7) + 1))  # behind the colours of all frames
    return whole[:start] + b"\x21\xfe" + block * (size // 256) + b"\0" + whole[start:]


def bmp_with(size: int, _: str) -> bytes:
    whole = encoded("BMP")
    header = struct.pack("<I", 40 + size) + whole[18:54] + bytes(size)
    return whole[:10] + struct.pack("<I", 54 + size) + header + whole[54:]


def tiff_with(size: int, place: str) -> bytes:
    tag, kind, each = {
        "a description": (270, 2, 1),
        "places of strips": (273, 4, 4),
        "kinds of samples": (338, 4, 4),
        "colours": (320, 3, 2),
        "tables": (347, 7, 1),
    }[place]
    tags = {
        256: 300,
        257: 200,
        258: 8,
        259: 1,
        262: 3 if tag == 320 else 1,
        273: 8,
        277: 1,
        278: 200,
    }
    entries = {key: struct.pack("<HHII", key, 4, 1, value) for key, value in tags.items()}
    entries[279] = struct.pack("<HHII", 279, 4, 1, 60_000)
    entries[tag] = struct.pack("<HHII", tag, kind, size // each, 60_008)
    body = b"II*\0" + struct.pack("<I", 60_008 + size) + bytes(60_000 + size)
    return (
        body
        + struct.pack("<H", len(entries))
        + b"".join(entries[k] for k in sorted(entries))
        + bytes(4)
    )


def webp_with(size: int, _: str) -> bytes:
    return encoded("WEBP", exif=bytes(size))


BALLAST: list[tuple[Callable[[int, str], bytes], str, int]] = [
    (png_with, "a text", 900_000),
    (png_with, "a private chunk", 8 << 20),
    (png_with, "a private chunk behind", 8 << 20),
    (png_with, "a frame behind", 0),
    (png_with, "pixels behind", 40_000),
    (png_with, "pixels without an end", 0),
    (jpeg_with, "segments", 8 << 20),
    (gif_with, "a comment", 8 << 20),
    (bmp_with, "a header", 84),
    (webp_with, "EXIF", 8 << 20),
    (tiff_with, "a description", 8 << 20),
    (tiff_with, "places of strips", 0),
    (tiff_with, "kinds of samples", 0),
    (tiff_with, "colours", 1536),
    (tiff_with, "tables", 8 << 20),
]
"""Where something may lie beside an image's pixels, and how much of it is read, if any is."""


@pytest.mark.parametrize(("made", "place", "_"), BALLAST)
def test_a_file_that_holds_far_more_than_its_pixels_is_refused_before_it_is_read(
    made: Callable[[int, str], bytes], place: str, _: int, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(made(24 << 20, place))
    tracemalloc.start()
    code = code_of(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (code, peak < 40 << 20) == ("image-too-large", True), peak
    with pytest.raises(UnreadableImageError):
        inspect(path)


@pytest.mark.parametrize(("made", "place", "little"), [each for each in BALLAST if each[2]])
def test_a_little_more_is_read(made: Callable[[int, str], bytes], place: str, little: int) -> None:
    assert read_image(made(little, place)).shape[:2] == (200, 300)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(1, 30_000), (3_000, 70)])
def test_pixels_that_do_not_pack_are_no_ballast(mode: str, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(5).bytes(size[0] * size[1] * 4)
    image = Image.frombytes(mode, size, noise[: len(Image.new(mode, size).tobytes())])
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=0)
    assert read_image(stream.getvalue()).shape[:2] == size[::-1]
    if mode in ("RGB", "RGBA") and max(size) < 16_384:
        stream = io.BytesIO()
        image.save(stream, "WEBP", lossless=True, exact=True)
        assert read_image(stream.getvalue()).shape[:2] == size[::-1]


def test_a_deep_png_on_disk_is_not_taken_into_memory_beside_its_pixels(tmp_path: Path) -> None:
    noise = np.random.default_rng(5).integers(0, 65_535, (700, 700, 3), np.uint16)
    (tmp_path / "deep").write_bytes(imagecodecs.png_encode(noise))
    tracemalloc.start()
    assert (read_image(tmp_path / "deep") == noise).all()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.9 * noise.nbytes
