import cv2
import numpy as np
import pytest

from wakeline_prediction.domain.errors import CannotAnswerError
from wakeline_prediction.predictors.threshold import ThresholdParameters, are_dark, segment

from .scenes import discs, grey_scene, iou

SIZE = (160, 220)
CELLS = [(30, 30, 12), (90, 40, 15), (118, 44, 14), (160, 110, 20), (60, 120, 9)]


@pytest.mark.parametrize(("ground", "level"), [(0.15, 0.7), (0.8, 0.3)])
def test_bright_and_dark_objects_are_told_by_themselves(ground: float, level: float) -> None:
    stack = grey_scene(SIZE, CELLS, ground=ground, level=level)
    found = segment(stack, ("grey",), ThresholdParameters())
    assert found.labels.max() == len(CELLS)
    overlaps = [
        iou(found.labels == found.labels[cell[1], cell[0]], discs(SIZE, cell)) for cell in CELLS
    ]
    assert min(overlaps) > 0.8


def test_the_polarity_can_be_forced() -> None:
    stack = grey_scene(SIZE, CELLS)
    found = segment(stack, ("grey",), ThresholdParameters(polarity="dark"))
    assert found.labels[CELLS[0][1], CELLS[0][0]] == 0 or found.labels.max() < len(CELLS)


def test_the_background_is_what_goes_round_however_little_of_it_there_is() -> None:
    crowded = [(15 + 26 * x, 15 + 26 * y, 12) for x in range(8) for y in range(6)]
    bright = grey_scene((160, 220), crowded)[..., 0]
    assert not are_dark(bright, 0.5)
    assert are_dark(-bright, -0.5)


def test_objects_in_a_common_haze_are_told_from_it_by_their_surroundings() -> None:
    rows = [(40 + 26 * x, 40 + 26 * y, 12) for x in range(6) for y in range(4)]
    stack = grey_scene(SIZE, rows, ground=0.1, level=0.9)
    haze = cv2.dilate(discs(SIZE, *rows).astype(np.uint8), np.ones((9, 9))) > 0
    stack[haze, 0] = np.maximum(stack[haze, 0], 0.41)
    assert segment(stack, ("grey",), ThresholdParameters()).labels.max() == len(rows)
    assert segment(stack, ("grey",), ThresholdParameters(local=False)).labels.max() == 1


def test_a_dim_object_is_outlined_at_half_of_its_own_contrast() -> None:
    dim = (110, 40, 14)
    stack = grey_scene(SIZE, [(40, 40, 14)], level=0.95, noise=0.01)
    slope = np.clip(15 - np.hypot(*np.mgrid[-40:120, -110:110]), 0, 8) / 8
    stack[..., 0] += (0.45 * slope).astype(np.float32)
    found = segment(stack, ("grey",), ThresholdParameters())
    number = found.labels[dim[1], dim[0]]
    assert number > 0
    assert iou(found.labels == number, discs(SIZE, (110, 40, 11))) > 0.8


def test_an_even_image_has_no_objects() -> None:
    even = np.full((40, 50, 3), 0.4, np.float32)
    assert segment(even, ("red", "green", "blue"), ThresholdParameters()).labels.max() == 0


def test_what_is_larger_than_allowed_is_land() -> None:
    stack = grey_scene(SIZE, [(40, 80, 70), (180, 40, 6)])
    parameters = ThresholdParameters(polarity="bright", largest=0.05)
    found = segment(stack, ("grey",), parameters)
    assert found.labels.max() == 1
    assert found.labels[40, 180] == 1


def test_a_band_is_used_if_there_is_one_of_its_name() -> None:
    stack = np.concatenate([np.zeros((*SIZE, 1), np.float32), grey_scene(SIZE, CELLS)], axis=2)
    found = segment(stack, ("grey", "nir"), ThresholdParameters(band="nir"))
    assert found.labels.max() == len(CELLS)
    with pytest.raises(CannotAnswerError, match="swir"):
        segment(stack, ("grey", "nir"), ThresholdParameters(band="swir"))
