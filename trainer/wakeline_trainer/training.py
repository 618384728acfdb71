"""The training loop: from samples to a network, within a budget of time, able to go on later."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from wakeline_trainer.batches import Batches
from wakeline_trainer.contract import TerminatedError

RATE = 3e-3
"""Highest learning rate."""

WARM_UP = 10
"""Steps until it is reached; they also measure how long a step takes."""

DECAY = 0.97
"""Of the moving average of the weights, which is what a run delivers."""

Loss = Callable[[Tensor, Any], Tensor]


@dataclass(slots=True)
class Progress:
    """How far a run is. All of it is in a checkpoint."""

    step: int = 0
    of: int | None = None
    """Steps in all; None until the time that one takes is known."""
    seconds: float = 0.0
    """Spent on training, in all attempts."""
    loss: float = math.nan
    """Moving average."""


@dataclass(slots=True)
class Training:
    """A network in training."""

    network: nn.Module
    loss: Loss
    batches: Batches
    device: torch.device
    progress: Progress = field(default_factory=Progress)
    optimizer: torch.optim.Optimizer = field(init=False)
    average: AveragedModel = field(init=False)

    def __post_init__(self) -> None:
        self.network.to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=RATE, weight_decay=1e-2, fused=True
        )
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(DECAY))

    def run(
        self,
        budget: float,
        after_step: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> nn.Module:
        """Train until the steps are done or the budget is spent.

        Parameters
        ----------
        budget
            Seconds of training, in all attempts; decides the number of steps unless it is set.
        after_step
            Told after every step; reports and saves.
        should_stop
            Asked after every step.

        Returns
        -------
        nn.Module
            The moving average of the network.

        Raises
        ------
        TerminatedError
            If ``should_stop`` said so.
        """
        progress = self.progress
        began = time.monotonic() - progress.seconds
        while progress.of is None or progress.step < progress.of:
            loss = self._step(progress.step)
            progress.step += 1
            progress.seconds = time.monotonic() - began
            progress.loss = loss if progress.step == 1 else 0.95 * progress.loss + 0.05 * loss
            if progress.of is None and progress.step >= WARM_UP:
                progress.of = max(WARM_UP, int(budget / progress.seconds * progress.step))
            after_step(progress)
            if should_stop():
                raise TerminatedError
            if progress.seconds > 1.1 * budget:
                break  # the machine became slower than it was while measured
        return self.average.module

    def _step(self, step: int) -> float:
        images, targets = self.batches.draw(step, self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * pace(step, self.progress.of)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.network(images), targets)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        return float(loss.detach())


def pace(step: int, of: int | None) -> float:
    """The share of the highest learning rate at a step: up in ``WARM_UP`` steps, down a cosine."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    if of is None or of <= WARM_UP:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / (of - WARM_UP)))
