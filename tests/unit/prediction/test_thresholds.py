import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wakeline_prediction.predictors.thresholds import local_mean, otsu


@given(st.floats(0.05, 0.4), st.floats(0.6, 0.95), st.floats(0.05, 0.95), st.integers(0, 2**32 - 1))
def test_two_peaks_are_divided_between_them(
    low: float, high: float, share: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    upper = random.random(4_000) < share
    values = np.where(upper, high, low) + random.normal(0, 0.01, 4_000)
    threshold = otsu(values.astype(np.float32), 0, 1)
    assert low < threshold < high
    assert ((values > threshold) == upper).mean() > 0.99


@given(st.floats(0.0, 1.0))
def test_an_image_of_one_value_has_nothing_above_its_threshold(value: float) -> None:
    assert not (np.full((8, 8), value, np.float32) > otsu(np.full((8, 8), value), 0, 1)).any()


def test_the_mean_around_a_pixel_of_an_even_image_is_its_value_up_to_the_border() -> None:
    np.testing.assert_allclose(local_mean(np.full((20, 30), 0.4, np.float32), 7), 0.4, rtol=1e-5)
