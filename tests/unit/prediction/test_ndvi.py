import numpy as np
import pytest

from wakeline_prediction.domain.errors import CannotAnswerError
from wakeline_prediction.predictors.ndvi import NdviParameters, segment, vegetation_index

from .scenes import discs, field, iou

CHANNELS = ("red", "nir")
PLANTS = [(40, 40, 14), (120, 60, 22), (70, 130, 9)]


def test_plants_on_unevenly_lit_soil_are_found_one_by_one() -> None:
    found = segment(field((180, 200), PLANTS), CHANNELS, NdviParameters())
    assert found.labels.max() == len(PLANTS)
    for plant in PLANTS:
        truth = discs((180, 200), plant)
        number = found.labels[plant[1], plant[0]]
        assert iou(found.labels == number, truth) > 0.9
    assert (found.scores[1:] > 0.5).all()


def test_bare_soil_stays_bare() -> None:
    found = segment(field((180, 200), []), CHANNELS, NdviParameters())
    assert found.labels.max() == 0


def test_a_field_that_is_all_green_is_one_object() -> None:
    found = segment(field((80, 90), [(45, 40, 200)]), CHANNELS, NdviParameters())
    assert found.labels.max() == 1
    assert (found.labels == 1).mean() > 0.99


def test_a_given_threshold_is_taken_as_it_is() -> None:
    stack = field((180, 200), PLANTS)
    nothing = segment(stack, CHANNELS, NdviParameters(threshold=0.95))
    assert nothing.labels.max() == 0


@pytest.mark.parametrize("channels", [("red", "green"), ("grey", "nir")])
def test_an_image_without_one_of_the_bands_is_not_for_this_rule(
    channels: tuple[str, ...],
) -> None:
    with pytest.raises(CannotAnswerError, match="no channel"):
        segment(field((20, 20), []), channels, NdviParameters())


def test_the_index_is_the_plain_one_without_the_term_for_soil() -> None:
    nir, red = np.array([[0.6, 0]], np.float32), np.array([[0.2, 0]], np.float32)
    np.testing.assert_allclose(vegetation_index(nir, red, 0.0), [[0.5, 0.0]], rtol=1e-6)
    assert vegetation_index(nir, red, 0.5)[0, 0] == pytest.approx(1.5 * 0.4 / 1.3)
