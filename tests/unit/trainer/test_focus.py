"""Outside of focus regions is no background: nobody looked, so nothing is to be learned."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wakeline_geometry.masks import rasterise
from wakeline_geometry.shapes import Annotation, Box, Predicted, Region
from wakeline_models.card import Kind
from wakeline_trainer.augmentation import Freedom, draw_view
from wakeline_trainer.batches import Batches
from wakeline_trainer.contract import Asset
from wakeline_trainer.data import UNSEEN, Sample, Statistics, make_sample, measure
from wakeline_trainer.evaluation import holdout_metrics
from wakeline_trainer.losses import BoxLoss, InstanceLoss
from wakeline_trainer.plan import plan
from wakeline_trainer.training import Loss

SIZE = (120, 160)
REGION: Region = (40.0, 30.0, 90.0, 80.0)
OBJECT = Box(corners=(80, 70, 100, 84))
"""Reaches out of the region."""


def asset(kind: Kind = "instances", regions: tuple[Region, ...] = (REGION,)) -> Asset:
    geometry = OBJECT if kind == "boxes" else rasterise(OBJECT, SIZE)
    return Asset(
        asset_id="a",
        image="file:///nowhere.png",
        height=SIZE[0],
        width=SIZE[1],
        split="train",
        annotations=(Annotation(id="o", class_name="cell", geometry=geometry),),
        focus_regions=regions,
    )


def sample(asset: Asset) -> Sample:
    """The image is 1 where nobody looked, and 0 elsewhere."""
    image = np.ones((1, *SIZE), np.float32)
    for x_min, y_min, x_max, y_max in (REGION, OBJECT.corners):
        image[:, int(y_min) : int(y_max), int(x_min) : int(x_max)] = 0
    black = np.zeros((*SIZE, 1), np.float32)
    made = make_sample(black, asset, ("cell",), 1.0, Statistics((0.0,), (1.0,)))
    return replace(made, image=image)


def test_regions_and_what_was_drawn_were_looked_at_and_nothing_else() -> None:
    seen = sample(asset())
    np.testing.assert_array_equal(seen.ids == UNSEEN, seen.image[0] == 1)
    assert (sample(asset(regions=())).ids >= 0).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_view_is_blind_where_nobody_looked(seed: int) -> None:
    still = Freedom(contrast=0, brightness=0, noise=0)
    view = draw_view(sample(asset()), (64, 64), still, np.random.default_rng(seed))
    disagreement = (view.ids == UNSEEN) != (view.image[0].numpy() > 0.5)
    assert disagreement.mean() < 0.02


def test_views_look_where_people_looked() -> None:
    little: Region = (74.0, 56.0, 82.0, 64.0)
    bare = asset(regions=(little,)).model_copy(update={"annotations": ()})
    for seed in range(20):
        view = draw_view(sample(bare), (32, 32), Freedom(), np.random.default_rng(seed))
        assert (view.ids != UNSEEN).any()


@pytest.mark.parametrize("kind", ["instances", "boxes"])
def test_the_loss_asks_for_nothing_where_nobody_looked(kind: Kind) -> None:
    def pull(regions: tuple[Region, ...]) -> torch.Tensor:
        """How much the loss wants each cell to change, shape (N, h, w)."""
        given = asset(kind, regions)
        made = plan(kind, 1, measure([given], ("cell",)), [(64, 64)], 1.0)
        _, targets = Batches([sample(given)], made, kind, 1, seed=1).draw(0, torch.device("cpu"))
        maps = (4 if kind == "instances" else 5, *(side // made.stride for side in made.crop))
        raw = torch.zeros((made.batch, *maps), requires_grad=True)
        loss: Loss = InstanceLoss(torch.ones(2)) if kind == "instances" else BoxLoss()
        torch.autograd.backward(loss(raw, targets))
        assert raw.grad is not None
        return raw.grad.abs().sum(1)

    blind = pull((REGION,)) == 0
    assert 0.1 < blind.float().mean() < 0.9
    assert (pull(()) > 0).all()


def test_reported_metrics_are_of_what_lies_in_focus() -> None:
    shown = asset()
    right = Predicted(id="p", class_name="cell", geometry=shown.annotations[0].geometry, score=0.5)
    far = Predicted(id="q", class_name="cell", geometry=Box(corners=(1, 1, 9, 9)), score=0.9)
    assert holdout_metrics([(shown, [far, right])])["ap"] == pytest.approx(1)
    assert holdout_metrics([(asset(regions=()), [far, right])])["ap"] < 0.6
