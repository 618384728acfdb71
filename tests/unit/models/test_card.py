"""A card says how a model is run, and refuses what does not fit together."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from wakeline_geometry.shapes import Box, Predicted
from wakeline_models.card import MAX_TILE, ModelCard
from wakeline_models.channels import resize, select
from wakeline_models.errors import ModelError
from wakeline_models.inference import Model
from wakeline_models.uncertainty import uncertainty

CARD: dict[str, Any] = {
    "kind": "boxes",
    "classes": ["ship"],
    "channels": ["grey", "nir"],
    "mean": [0.5, 0.2],
    "std": [0.1, 0.1],
    "scale": 0.5,
    "tile": 64,
    "overlap": 16,
    "stride": 2,
    "object_size": 8,
    "decode": {"kind": "boxes", "min_score": 0.4},
}


def test_a_card_comes_back_from_its_json() -> None:
    card = ModelCard.model_validate(CARD)

    assert ModelCard.model_validate_json(card.model_dump_json()) == card


@pytest.mark.parametrize(
    "change",
    [
        {"decode": {"kind": "instances"}},
        {"mean": [0.5]},
        {"std": [0.1, 0.0]},
        {"tile": 70},
        {"tile": 2 * MAX_TILE},
        {"tile": 2 * MAX_TILE, "multiple": 2 * MAX_TILE},
        {"overlap": 64},
        {"stride": 3},
        {"classes": []},
    ],
    ids=str,
)
def test_a_card_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModelCard.model_validate(CARD | change)


def test_bytes_that_the_card_does_not_name_are_refused() -> None:
    with pytest.raises(ModelError) as refusal:
        Model.load(b"other bytes", ModelCard.model_validate(CARD))

    assert refusal.value.code == "digest-differs"


def test_grey_and_colour_stand_in_for_each_other_but_bands_do_not() -> None:
    grey = np.full((2, 3, 1), 0.25, np.float32)
    colour = np.stack([np.full((2, 3), value, np.float32) for value in (0.1, 0.2, 0.6)], axis=2)
    colours = ("red", "green", "blue")

    np.testing.assert_allclose(select(grey, ("grey",), colours), np.full((2, 3, 3), 0.25))
    np.testing.assert_allclose(select(colour, colours, ("grey",)), np.full((2, 3, 1), 0.3))
    with pytest.raises(ModelError, match="lacks nir"):
        select(colour, colours, (*colours, "nir"))


def test_shrinking_keeps_the_mean_of_each_channel() -> None:
    stack = np.random.default_rng(0).random((40, 60, 5)).astype(np.float32)

    small = resize(stack, 0.25)

    assert small.shape == (10, 15, 5)
    np.testing.assert_allclose(small.mean(axis=(0, 1)), stack.mean(axis=(0, 1)), atol=1e-5)


def test_doubt_is_highest_for_scores_of_one_half() -> None:
    def of(*scores: float) -> float:
        box = Box(corners=(0, 0, 1, 1))
        return uncertainty(
            [Predicted(id=str(s), class_name="ship", geometry=box, score=s) for s in scores]
        )

    assert of() == of(1.0) == of(0.0, 1.0) == 0.0
    assert of(0.5) == 1.0
    assert 0.0 < of(0.9) < of(0.9, 0.6) < 1.0
