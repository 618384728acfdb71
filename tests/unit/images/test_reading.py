"""What comes out of every kind of file that may come in."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps

from wakeline_images import decode, inspect, read_image

HEIGHT, WIDTH = 24, 37
ORIENTATION_TAG = 0x0112


def noise(channels: int, dtype: Any = np.uint8) -> NDArray[Any]:
    top = int(np.iinfo(dtype).max)
    shape = (HEIGHT, WIDTH, channels) if channels > 1 else (HEIGHT, WIDTH)
    return np.random.default_rng(7).integers(0, top, shape, dtype, endpoint=True)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def tiff(pixels: NDArray[Any], **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, **options)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_formats_give_back_their_pixels(kind: str, channels: int) -> None:
    pixels = noise(channels)
    data = encoded(Image.fromarray(pixels), kind)
    np.testing.assert_array_equal(read_image(data), pixels.reshape(HEIGHT, WIDTH, channels))
    assert inspect(data).channels == channels


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_come_close(kind: str) -> None:
    ramp = np.linspace(0, 255, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    pixels = np.repeat(ramp[..., None], 3, axis=2).astype(np.uint8)
    read = read_image(encoded(Image.fromarray(pixels), kind, quality=95))
    assert np.abs(read.astype(int) - pixels).mean() < 3


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_16_bits_keeps_them_and_drops_alpha(channels: int) -> None:
    pixels = noise(channels, np.uint16)
    data = imagecodecs.png_encode(pixels)
    kept = 1 if channels < 3 else 3
    expected = pixels.reshape(HEIGHT, WIDTH, channels)[..., :kept]
    np.testing.assert_array_equal(read_image(data), expected)
    assert (inspect(data).bits, inspect(data).channels) == (16, kept)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_of_five_bands_keeps_all(compression: str | None, planar: str, dtype: Any) -> None:
    pixels = noise(5, dtype)
    stored = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0)
    data = tiff(stored, photometric="minisblack", planarconfig=planar, compression=compression)
    image = decode(data)
    np.testing.assert_array_equal(image.pixels, pixels)
    assert image.channels == ("band1", "band2", "band3", "band4", "band5")
    assert inspect(data).bits == np.iinfo(dtype).bits


def test_colour_tiff_keeps_its_fourth_band_but_not_its_alpha() -> None:
    pixels = noise(4)
    with_band = decode(tiff(pixels, photometric="rgb", extrasamples=["unspecified"]))
    with_alpha = decode(tiff(pixels, photometric="rgb", extrasamples=["unassalpha"]))
    assert with_band.channels == ("red", "green", "blue", "band4")
    np.testing.assert_array_equal(with_band.pixels, pixels)
    assert with_alpha.channels == ("red", "green", "blue")
    np.testing.assert_array_equal(with_alpha.pixels, pixels[..., :3])


def test_tiff_of_twelve_bits_is_stretched_to_sixteen() -> None:
    pixels = np.full((HEIGHT, WIDTH), 4095, np.uint16)
    pixels[0, 0] = 0
    packed = imagecodecs.packints_encode(pixels, 12, runlen=WIDTH)
    data = bytearray(tiff(pixels))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        strip = page.dataoffsets[0]
        places = [page.tags[name].valueoffset for name in ("BitsPerSample", "StripByteCounts")]
    for place, value in zip(places, (12, len(packed)), strict=True):
        data[place : place + 2] = value.to_bytes(2, "little")
    data[strip : strip + len(packed)] = packed
    read = read_image(bytes(data))
    assert (read[0, 0, 0], read[1, 1, 0], inspect(bytes(data)).bits) == (0, 65535, 12)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_one_bit_becomes_black_and_white(kind: str) -> None:
    bits = noise(1) > 127
    data = encoded(Image.fromarray(bits), kind)
    np.testing.assert_array_equal(read_image(data)[..., 0], np.where(bits, 255, 0))
    assert inspect(data).bits == 1


def test_tiff_where_white_is_zero_is_turned_round() -> None:
    pixels = noise(1)
    np.testing.assert_array_equal(
        read_image(tiff(pixels, photometric="miniswhite"))[..., 0], 255 - pixels
    )


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(kind: str) -> None:
    image = Image.new("CMYK", (WIDTH, HEIGHT), (255, 0, 0, 0))
    read = read_image(encoded(image, kind))
    assert read.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(read.astype(int) - [0, 255, 255]).max() < 8


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF"])
def test_palettes_become_rgb(kind: str) -> None:
    image = Image.new("P", (WIDTH, HEIGHT), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    data = encoded(image, kind)
    assert read_image(data)[3, 3].tolist() == [200, 100, 50]
    assert inspect(data).channels == 3


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_of_an_animation_counts(kind: str) -> None:
    frames = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    read = read_image(data)
    assert read[..., 0].min() > 240
    assert read[..., 2].max() < 15


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_honoured_in_every_format(kind: str, orientation: int) -> None:
    image = Image.fromarray(np.kron(noise(3)[::8, ::8], np.ones((8, 8, 1), np.uint8)))
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    image.info["exif"] = exif.tobytes()
    options: dict[str, Any] = {"exif": exif} if kind != "TIFF" else {"tiffinfo": exif}
    if kind in ("JPEG", "WEBP"):
        options["quality"] = 95
    data = encoded(image, kind, **options)
    image.getexif()[ORIENTATION_TAG] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    facts, read = inspect(data), read_image(data)
    assert (facts.orientation, facts.height, facts.width) == (orientation, *expected.shape[:2])
    assert np.abs(read.astype(int) - expected).mean() < 10


def test_an_orientation_behind_the_pixels_of_a_png_is_found() -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    data = encoded(Image.fromarray(noise(3)), "PNG", exif=exif)
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    tail = data.index(b"IEND") - 4
    moved = data[:start] + data[end:tail] + data[start:end] + data[tail:]
    assert moved != data
    for each in (data, moved):
        assert (inspect(each).orientation, inspect(each).width) == (6, HEIGHT)
        np.testing.assert_array_equal(read_image(each), np.rot90(noise(3), -1))


def test_the_facts_of_a_png_need_none_of_its_pixels() -> None:
    data = encoded(Image.fromarray(noise(3)), "PNG")
    assert inspect(data[: data.index(b"IDAT") + 20]) == inspect(data)


def test_a_file_on_disk_reads_like_its_bytes(tmp_path: Path) -> None:
    for name, data in (
        ("a.png", encoded(Image.fromarray(noise(3)), "PNG")),
        ("a.tif", tiff(noise(3, np.uint16))),
        ("deep.png", imagecodecs.png_encode(noise(3, np.uint16))),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        np.testing.assert_array_equal(read_image(path), read_image(data))
        assert inspect(path) == inspect(data)


def test_many_threads_read_at_once() -> None:
    files = [encoded(Image.fromarray(noise(3)), kind) for kind in ("PNG", "TIFF", "BMP")] * 20
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(read_image, files))
    assert all((pixels == noise(3)).all() for pixels in read)


@pytest.mark.parametrize(
    ("enough", "size"),
    [(1, (100, 75)), (7_500, (100, 75)), (7_501, (200, 150)), (10**9, (800, 600))],
)
def test_a_jpeg_is_decoded_to_no_more_pixels_than_are_needed(
    enough: int, size: tuple[int, int]
) -> None:
    ramp = np.linspace(0, 255, 800 * 600).reshape(600, 800).astype(np.uint8)
    picture = Image.fromarray(ramp)
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    data = encoded(picture, "JPEG", quality=95, exif=exif)
    small = decode(data, enough=enough)
    assert small.pixels.shape == (size[0], size[1], 1)  # upright: on its side
    expected = np.asarray(picture.resize(size, Image.Resampling.BOX)).astype(int)
    turned = np.rot90(expected, -1)
    assert np.abs(small.pixels[..., 0] - turned).max() < 12


def test_what_cannot_be_decoded_smaller_is_decoded_in_full() -> None:
    for kind in ("PNG", "TIFF", "WEBP", "BMP"):
        assert decode(encoded(Image.fromarray(noise(3)), kind), enough=1).pixels.shape[0] == HEIGHT
