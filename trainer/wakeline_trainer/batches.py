"""Batches of views with their targets, each drawn from its step's own random numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wakeline_models.card import Kind
from wakeline_trainer.augmentation import Freedom, View, draw_view
from wakeline_trainer.data import UNSEEN, Sample
from wakeline_trainer.losses import BoxTargets, InstanceTargets
from wakeline_trainer.plan import Plan
from wakeline_trainer.targets import box_targets, vector_targets

PASTE = 0.5
"""Share of views with masks that get further objects pasted."""

Targets = InstanceTargets | BoxTargets


@dataclass(frozen=True, slots=True)
class Batches:
    """Draws the batch of any step: the same step of the same seed is always the same batch."""

    samples: Sequence[Sample]
    plan: Plan
    kind: Kind
    classes: int
    seed: int

    def draw(self, step: int, device: torch.device) -> tuple[Tensor, Targets]:
        """The images (N, C, h, w) of a step, and what the maps should be."""
        rng = np.random.default_rng((self.seed, step))
        masks = self.kind == "instances"
        freedom = Freedom(any_angle=masks, paste=PASTE if masks else 0.0)
        views = [
            draw_view(self.samples[index], self.plan.crop, freedom, rng)
            for index in self._turns(step)
        ]
        images = torch.stack([view.image for view in views]).to(device)
        if self.kind == "boxes":
            return images, self._box_targets(views, device)
        return images, self._instance_targets(views, device)

    def _turns(self, step: int) -> list[int]:
        """Samples of a step: all in random order before any comes again."""
        count, first = len(self.samples), step * self.plan.batch
        orders = {
            turn: np.random.default_rng((self.seed, turn, count)).permutation(count)
            for turn in range(first // count, (first + self.plan.batch - 1) // count + 1)
        }
        return [int(orders[i // count][i % count]) for i in range(first, first + self.plan.batch)]

    def _instance_targets(self, views: list[View], device: torch.device) -> InstanceTargets:
        vectors = [vector_targets(view.ids, self.plan.object_size) for view in views]
        classes = torch.stack([view.coverage for view in views]).clamp(0, 1)
        background = (1 - classes.sum(1, keepdim=True)).clamp(0, 1)
        coverage = torch.cat([background, classes], 1) * _seen(views)
        return InstanceTargets(
            coverage=coverage.to(device),
            vectors=torch.from_numpy(np.stack(vectors)).to(device),
        )

    def _box_targets(self, views: list[View], device: torch.device) -> BoxTargets:
        cells = (self.plan.crop[0] // self.plan.stride, self.plan.crop[1] // self.plan.stride)
        made = [
            box_targets(
                view.boxes,
                view.labels,
                self.classes,
                cells,
                self.plan.stride,
                self.plan.object_size,
            )
            for view in views
        ]
        centres, distances, weights = (
            torch.from_numpy(np.stack(maps)).to(device) for maps in zip(*made, strict=True)
        )
        middle = self.plan.stride // 2
        seen = _seen(views)[..., middle :: self.plan.stride, middle :: self.plan.stride]
        return BoxTargets(centres, distances, weights[:, None], seen.to(device))


def _seen(views: Sequence[View]) -> Tensor:
    """1 where people looked and 0 where nobody did, shape (N, 1, h, w)."""
    return torch.from_numpy(np.stack([view.ids != UNSEEN for view in views])[:, None]).float()
