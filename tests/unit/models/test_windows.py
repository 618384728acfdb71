"""Sliding windows cover an image and blend to what one large window would give."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeline_models.windows import run, starts


@given(st.integers(1, 2000), st.integers(2, 300), st.data())
def test_windows_cover_all_and_overlap_enough(
    length: int, window: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, window - 1))

    begins = starts(length, window, overlap)

    assert begins[0] == 0
    assert begins[-1] == max(0, length - window)
    assert all(0 < b - a <= window - overlap for a, b in pairwise(begins))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(20, 20), (64, 64), (65, 130), (150, 97)])
def test_blending_a_local_network_equals_running_it_on_the_whole(
    size: tuple[int, int], stride: int
) -> None:
    image = np.random.default_rng(0).normal(size=(2, *size)).astype(np.float32)

    def first_pixel_of_each_cell(batch: np.ndarray) -> np.ndarray:
        assert batch.shape[2] % 32 == batch.shape[3] % 32 == 0
        return batch[:, :, ::stride, ::stride]

    maps = run(first_pixel_of_each_cell, image, tile=64, overlap=16, multiple=32, stride=stride)

    np.testing.assert_allclose(maps, image[:, ::stride, ::stride], atol=1e-5)
