import numpy as np
from hypothesis import given
from numpy.typing import NDArray
from scipy import ndimage

from wakeline_geometry import masks
from wakeline_geometry.bounds import area
from wakeline_geometry.outlines import outline

from .strategies import any_bitmaps, rectangle


@given(any_bitmaps)
def test_an_outline_drawn_again_is_the_mask_with_its_holes_filled(
    bitmap: NDArray[np.bool_],
) -> None:
    polygon = outline(masks.encode(bitmap))
    if polygon is None:
        assert not bitmap.any()
        return
    filled = ndimage.binary_fill_holes(bitmap, structure=np.ones((3, 3)))
    redrawn = masks.decode(masks.rasterise(polygon, (bitmap.shape[0], bitmap.shape[1])))
    np.testing.assert_array_equal(redrawn, filled)


def test_a_rectangle_has_four_corners() -> None:
    polygon = outline(rectangle(3, 4, 10, 5))
    assert polygon is not None
    assert len(polygon.parts) == 1
    corners = set(np.reshape(polygon.parts[0], (-1, 2)).astype(int).view("i8,i8").ravel().tolist())
    assert corners == {(3, 4), (13, 4), (13, 9), (3, 9)}


def test_pixels_that_meet_at_a_corner_are_two_parts() -> None:
    polygon = outline(masks.encode(np.eye(2, dtype=bool)))
    assert polygon is not None
    assert len(polygon.parts) == 2
    assert area(polygon) == 2
