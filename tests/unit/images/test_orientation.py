"""Pixels, masks, boxes and points turn together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from pycocotools import mask as coco

from wakeline_geometry.shapes import Box, Classification, Mask, Point, Polygon, Polyline
from wakeline_images import (
    Orientation,
    stored_size,
    upright_boxes,
    upright_geometry,
    upright_mask,
    upright_pixels,
    upright_points,
    upright_size,
)

WIDTH, HEIGHT = 11, 7
orientations = pytest.mark.parametrize("orientation", range(1, 9))


def painted(box: tuple[int, int, int, int], size: tuple[int, int] = (WIDTH, HEIGHT)) -> np.ndarray:
    mask = np.zeros(size[::-1], bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


@orientations
def test_pixels_turn_as_pillow_turns_them(orientation: Orientation) -> None:
    image = Image.fromarray(np.arange(WIDTH * HEIGHT, dtype=np.uint8).reshape(HEIGHT, WIDTH))
    image.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(upright_pixels(np.asarray(image), orientation), expected)
    assert upright_size(WIDTH, HEIGHT, orientation) == expected.shape[::-1]
    assert stored_size(*expected.shape[::-1], orientation) == (WIDTH, HEIGHT)


@given(
    st.sampled_from(range(1, 9)),
    st.integers(0, WIDTH - 1),
    st.integers(0, HEIGHT - 1),
    st.integers(1, WIDTH),
    st.integers(1, HEIGHT),
)
def test_a_box_stays_around_what_it_was_drawn_around(
    orientation: Orientation, x: int, y: int, width: int, height: int
) -> None:
    box = (x, y, min(x + width, WIDTH), min(y + height, HEIGHT))
    turned = upright_boxes(np.array([box], float), (WIDTH, HEIGHT), orientation)[0]
    expected = upright_mask(painted(box), orientation)
    x_min, y_min, x_max, y_max = turned.astype(int).tolist()
    upright = upright_size(WIDTH, HEIGHT, orientation)
    np.testing.assert_array_equal(painted((x_min, y_min, x_max, y_max), upright), expected)


@orientations
def test_every_geometry_turns_with_its_pixels(orientation: Orientation) -> None:
    mask = painted((2, 1, 5, 3))
    encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    turned = upright_geometry(
        Mask(size=(HEIGHT, WIDTH), counts=encoded["counts"].decode()), (WIDTH, HEIGHT), orientation
    )
    assert isinstance(turned, Mask)
    decoded = coco.decode({"size": list(turned.size), "counts": turned.counts.encode()})
    np.testing.assert_array_equal(decoded.astype(bool), upright_mask(mask, orientation))

    corners = (2.0, 1.0, 5.0, 1.0, 5.0, 3.0)
    points = upright_points(np.reshape(corners, (-1, 2)), (WIDTH, HEIGHT), orientation)
    expected = tuple(points.ravel().tolist())
    size = (WIDTH, HEIGHT)
    assert upright_geometry(Polygon(parts=(corners,)), size, orientation).parts == (expected,)
    assert upright_geometry(Polyline(points=corners), size, orientation).points == expected
    assert upright_geometry(Point(at=(2.0, 1.0)), size, orientation).at == expected[:2]
    box = upright_geometry(Box(corners=(2, 1, 5, 3)), size, orientation)
    assert box.corners[0] == min(expected[0::2])
    assert upright_geometry(Classification(), size, orientation) == Classification()


def test_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="its image"):
        upright_geometry(Mask(size=(3, 3), counts="9"), (WIDTH, HEIGHT), 6)
