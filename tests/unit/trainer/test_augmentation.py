"""A view of an image and its annotations moves them alike."""

import numpy as np
import pytest

from wakeline_trainer.augmentation import Freedom, draw_view
from wakeline_trainer.data import Sample

STILL = {"contrast": 0.0, "brightness": 0.0, "noise": 0.0}


def sample() -> Sample:
    """A bright rectangle on a dark image, as mask and as box."""
    image = np.zeros((1, 80, 100), np.float32)
    image[0, 30:60, 40:80] = 1.0
    return Sample(
        image=image,
        coverage=image.copy(),
        ids=image[0].astype(np.int32),
        boxes=np.array([[40, 30, 80, 60]], np.float32),
        labels=np.array([0]),
        looked_at=np.array([[0, 0, 100, 80]], np.float32),
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_mask_stays_on_its_object(seed: int) -> None:
    view = draw_view(sample(), (64, 64), Freedom(**STILL), np.random.default_rng(seed))

    np.testing.assert_allclose(view.image[0], view.coverage[0], atol=1e-6)
    disagreement = (view.ids > 0) != (view.coverage[0].numpy() > 0.5)
    assert disagreement.mean() < 0.02


@pytest.mark.parametrize("seed", range(20))
def test_the_box_stays_around_its_object(seed: int) -> None:
    freedom = Freedom(any_angle=False, **STILL)

    view = draw_view(sample(), (64, 64), freedom, np.random.default_rng(seed))

    bright = view.image[0].numpy() > 0.5
    for x_min, y_min, x_max, y_max in view.boxes:
        rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
        around = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        np.testing.assert_allclose((x_min, y_min, x_max, y_max), around, atol=1.0)


def test_the_same_random_numbers_give_the_same_view() -> None:
    first, second = (
        draw_view(sample(), (64, 96), Freedom(), np.random.default_rng(7)) for _ in range(2)
    )

    assert (first.image == second.image).all()
    assert (first.ids == second.ids).all()


def test_an_image_smaller_than_the_view_is_surrounded_by_the_mean() -> None:
    view = draw_view(sample(), (192, 192), Freedom(**STILL), np.random.default_rng(0))

    assert view.image[0, 0, 0] == 0.0
    assert len(view.boxes) == 1


def test_what_is_pasted_over_a_view_is_another_object() -> None:
    more = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        view = draw_view(sample(), (64, 64), Freedom(**STILL, paste=1.0), rng)
        np.testing.assert_allclose(view.image[0], view.coverage[0], atol=1e-6)
        disagreement = (view.ids > 0) != (view.coverage[0].numpy() > 0.5)
        assert disagreement.mean() < 0.03
        more += set(np.unique(view.ids)) == {0, 1, 2}
    assert more > 3
