import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from wakeline_geometry import masks, rle
from wakeline_geometry.shapes import Box, Mask, Point, Polygon

from .strategies import SIZE, any_bitmaps, bitmaps, boxes, polygons, rectangle

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' own

Bitmap = NDArray[np.bool_]


def unchecked(counts: str, size: tuple[int, int] = (4, 5)) -> Mask:
    """A mask as hostile code could make it, past the validation of the wire form."""
    return Mask.model_construct(size=size, counts=counts)


@given(any_bitmaps)
def test_a_bitmap_survives_encoding_and_decoding(bitmap: Bitmap) -> None:
    np.testing.assert_array_equal(masks.decode(masks.encode(bitmap)), bitmap)


@given(any_bitmaps)
def test_counts_are_read_as_pycocotools_writes_them(bitmap: Bitmap) -> None:
    coco = coco_mask.encode(np.asfortranarray(bitmap, dtype=np.uint8))
    mask = masks.from_coco(coco)
    assert masks.to_coco(mask) == coco
    np.testing.assert_array_equal(masks.decode(mask), coco_mask.decode(coco).astype(bool))


@given(any_bitmaps)
def test_area_and_bounding_box_are_those_of_the_bitmap(bitmap: Bitmap) -> None:
    mask = masks.encode(bitmap)
    assert masks.area(mask) == bitmap.sum()
    box = masks.bounding_box(mask)
    if not bitmap.any():
        assert box is None
        return
    rows, columns = np.flatnonzero(bitmap.any(axis=1)), np.flatnonzero(bitmap.any(axis=0))
    assert box is not None
    assert box.corners == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


@given(any_bitmaps)
def test_run_lengths_survive_a_round_trip(bitmap: Bitmap) -> None:
    mask = masks.encode(bitmap)
    assert masks.from_runs(masks.runs_of(mask), mask.size) == mask


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_empty_runs_are_merged_away_and_the_raster_stays(runs: list[int]) -> None:
    if not sum(runs):
        runs = [*runs, 3]
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    mask = masks.from_runs(runs, (1, flat.size))
    np.testing.assert_array_equal(masks.decode(mask)[0], flat)
    assert mask == masks.encode(flat[None, :])


@given(st.text(max_size=40), st.integers(-2, 60), st.integers(-2, 60))
def test_any_text_is_either_a_sound_mask_or_a_value_error(
    counts: str, height: int, width: int
) -> None:
    try:
        bitmap = masks.decode(unchecked(counts, (height, width)))
    except ValueError:
        return
    assert bitmap.shape == (height, width)


@given(
    st.text(alphabet=[chr(c) for c in range(48, 112)], min_size=1, max_size=60),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_text_of_the_right_letters_is_read_as_pycocotools_reads_it(
    counts: str, height: int, width: int
) -> None:
    try:
        mask = Mask(size=(height, width), counts=counts)
    except ValueError:
        return
    coco = {"size": [height, width], "counts": counts.encode()}
    np.testing.assert_array_equal(masks.decode(mask), coco_mask.decode(coco).astype(bool))


@given(bitmaps, st.data())
def test_one_changed_letter_never_gets_past_the_check_unnoticed(
    bitmap: Bitmap, data: st.DataObject
) -> None:
    counts = masks.encode(bitmap).counts
    place = data.draw(st.integers(0, len(counts) - 1))
    letter = data.draw(st.characters(min_codepoint=0, max_codepoint=255))
    broken = unchecked(counts[:place] + letter + counts[place + 1 :], SIZE)
    try:
        runs = rle.parse_counts(broken.counts, *broken.size)
    except ValueError:
        return
    assert (runs >= 0).all()
    assert runs.sum() == SIZE[0] * SIZE[1]


@pytest.mark.parametrize(
    ("counts", "size", "message"),
    [
        ("", (4, 5), "characters cannot be"),
        ("é", (4, 5), "not of COCO's encoding"),
        ("d!", (4, 5), "not of COCO's encoding"),
        ("P", (4, 5), "end in the middle"),
        ("PPPPPPPPPP0", (4, 5), "too large"),
        ("O", (4, 5), "not be negative"),
        ("5", (4, 5), "5 pixels, not the 20"),
        ("5V1", (4, 5), "more than the 20 pixels"),
        ("d0", (0, 5), "positive size"),
        ("d0", (4, -5), "positive size"),
        ("d0", (1_000_000, 1_000_000), "above the limit"),
    ],
)
def test_unsound_counts_are_refused_in_words(
    counts: str, size: tuple[int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        masks.decode(unchecked(counts, size))


@pytest.mark.parametrize("counts", ["", "zz", "garbage!", "5", "P" * 1000])
def test_the_wire_form_refuses_counts_that_do_not_fill_the_image(counts: str) -> None:
    with pytest.raises(ValueError, match="counts"):
        Mask(size=(4, 5), counts=counts)


@pytest.mark.parametrize("runs", [[], [3, -1, 18], [10, 9], [10, 11], [2**62, 2**62, 20]])
def test_run_lists_that_do_not_fill_the_image_are_refused(runs: list[int]) -> None:
    with pytest.raises(ValueError, match="mask runs"):
        masks.from_runs(runs, (4, 5))


@pytest.mark.parametrize("bitmap", [np.zeros((2, 2), dtype=np.uint8), np.zeros(4, dtype=bool)])
def test_only_boolean_images_are_bitmaps(bitmap: Bitmap) -> None:
    with pytest.raises(ValueError, match="a bitmap is bool"):
        masks.encode(bitmap)


@given(st.lists(bitmaps, min_size=1, max_size=4))
def test_a_union_holds_what_any_mask_holds(several: list[Bitmap]) -> None:
    union = masks.union([masks.encode(bitmap) for bitmap in several])
    np.testing.assert_array_equal(masks.decode(union), np.any(several, axis=0))


def test_masks_of_different_images_have_no_union() -> None:
    with pytest.raises(ValueError, match="different image sizes"):
        masks.union([rectangle(0, 0, 2, 2), rectangle(0, 0, 2, 2, (9, 9))])


@given(boxes())
def test_a_box_takes_the_pixels_whose_centres_it_holds(box: Box) -> None:
    x_min, y_min, x_max, y_max = box.corners
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    expected = (x >= x_min) & (x < x_max) & (y >= y_min) & (y < y_max)
    np.testing.assert_array_equal(masks.decode(masks.rasterise(box, SIZE)), expected)


@given(polygons)
def test_a_polygon_takes_the_pixels_that_pycocotools_gives_it(polygon: Polygon) -> None:
    parts = coco_mask.frPyObjects([list(part) for part in polygon.parts], *SIZE)
    expected = coco_mask.decode(coco_mask.merge(parts)).astype(bool)
    np.testing.assert_array_equal(masks.decode(masks.rasterise(polygon, SIZE)), expected)


def test_an_absurdly_long_outline_is_refused_before_memory_is_taken() -> None:
    needle = (0.0, 0.0, 1e6, 0.0, 1e6, 1.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="outline of 2000002 pixels"):
        masks.rasterise(Polygon(parts=(needle,)), SIZE)


def test_a_point_has_no_raster() -> None:
    with pytest.raises(ValueError, match="covers no area"):
        masks.rasterise(Point(at=(1, 1)), SIZE)


def test_a_mask_fits_only_its_own_image() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        masks.rasterise(rectangle(0, 0, 2, 2, (9, 9)), SIZE)
