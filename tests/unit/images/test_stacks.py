"""Stacks of bands and thumbnails."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from wakeline_images import UnreadableImageError, read_image, read_stack, thumbnail


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def deep_tiff(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels)
    return stream.getvalue()


COLOUR = np.random.default_rng(1).integers(0, 256, (20, 30, 3)).astype(np.uint8)


def test_bands_follow_the_image_in_sorted_order_and_full_scale_is_one() -> None:
    nir = np.full((20, 30), 65535, np.uint16)
    edge = np.full((20, 30), 51, np.uint8)
    stack, channels = read_stack(png(COLOUR), {"nir": deep_tiff(nir), "edge": png(edge)})
    assert channels == ("red", "green", "blue", "edge", "nir")
    assert (stack.shape, stack.dtype) == ((20, 30, 5), np.float32)
    np.testing.assert_allclose(stack[..., :3], COLOUR / 255, atol=1e-6)
    assert np.unique(stack[..., 4]).tolist() == [1.0]
    np.testing.assert_allclose(stack[..., 3], 0.2, atol=1e-6)


def test_grey_image_has_one_channel() -> None:
    stack, channels = read_stack(png(COLOUR[..., 0]), {})
    assert (stack.shape, channels) == ((20, 30, 1), ("grey",))


def test_band_of_another_size_is_refused() -> None:
    with pytest.raises(UnreadableImageError, match="'nir' is 20 x 30") as refusal:
        read_stack(png(COLOUR), {"nir": png(COLOUR[..., 0].T)})
    assert refusal.value.code == "band-size-differs"


def test_turned_band_fits_its_upright_image() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.fromarray(COLOUR[..., 0].T).save(stream, "PNG", exif=exif)  # stored 20 wide, 30 high
    stack, _ = read_stack(png(COLOUR), {"nir": stream.getvalue()})
    np.testing.assert_allclose(stack[:, ::-1, 3], COLOUR[..., 0] / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((1000, 500, 3), (256, 128, 3)), ((40, 60, 1), (40, 60, 1)), ((3, 9000, 5), (1, 256, 3))],
)
def test_thumbnails_fit_the_side_and_are_never_enlarged(
    shape: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    small = read_image(thumbnail(np.full(shape, 90, np.uint8)))
    assert small.shape == expected


def test_thumbnail_of_dim_16_bits_uses_the_whole_range_and_keeps_colours() -> None:
    ramp = np.linspace(100, 1100, 64 * 64).reshape(64, 64)
    pixels = np.stack([ramp, ramp, np.full_like(ramp, 100)], axis=-1).astype(np.uint16)
    shown = read_image(thumbnail(pixels))
    assert shown[-1, -1, 0] > 240
    assert shown[0, 0, 0] < 15
    assert shown[..., 2].max() < 30
