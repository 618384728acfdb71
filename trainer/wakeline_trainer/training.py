"""The training loop: from samples to a network, within a budget of time, able to go on later."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from wakeline_trainer.batches import Batches
from wakeline_trainer.contract import TerminatedError
from wakeline_trainer.networks import MapNetwork

RATE = 3e-3
"""Highest learning rate."""

PIXEL_RATE = 1e-2
"""Learning rate of the part that looks at pixels alone, while it is trained alone."""

PIXEL_STEPS = 60
"""Steps for which it is."""

WARM_UP = 10
"""Steps until the highest rate is reached."""

HOLD = 0.4
"""Share of a run at the highest rate. It also measures how many steps the rest has time for."""

DECAY = 0.97
"""Of the moving average of the weights, which is what a run delivers."""

PATIENCE = 400
"""Steps without a lower loss after which a run comes to its end."""

LAST_STEPS = 50
"""Steps that it then still makes at falling rates."""

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
    best: float = math.inf
    """Lowest ``loss`` so far."""
    best_step: int = 0
    stopped: Literal["steps", "plateau", "time"] = "steps"
    """Why the run ends."""
    warm: bool = False
    """Whether the network had learned something before the first step."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may take, all attempts together."""

    seconds: float
    """For training and for what comes after it."""
    after: float
    """What comes after it, in steps of training."""


@dataclass(slots=True)
class StepClock:
    """Finds out how many steps a run has time for."""

    since: tuple[float, int] | None = None
    """When steps were first timed, and at which step."""

    def steps_in(self, budget: Budget, progress: Progress, now: float) -> int | None:
        """The steps of the whole run, once ``HOLD`` of its time has shown how long one takes."""
        if self.since is None:
            self.since = (now, progress.step)  # the first step also warms up the machine
            return None
        a_step = (now - self.since[0]) / (progress.step - self.since[1])
        # What comes after training is taken off first: it is slow where steps are slow.
        for_steps = budget.seconds - min(budget.after * a_step, budget.seconds / 2)
        if progress.step < WARM_UP or progress.seconds < HOLD * for_steps:
            return None
        return round(progress.step / HOLD)


@dataclass(slots=True)
class Training:
    """A network in training."""

    network: MapNetwork
    loss: Loss
    batches: Batches
    device: torch.device
    progress: Progress = field(default_factory=Progress)
    optimizer: torch.optim.Optimizer = field(init=False)
    average: MapNetwork = field(init=False)
    """Moving average of the network."""

    def __post_init__(self) -> None:
        self.network.to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=RATE, weight_decay=1e-2, fused=True
        )
        self.average = copy.deepcopy(self.network)

    def run(
        self,
        budget: Budget,
        after_step: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> nn.Module:
        """Train until the steps are done, the loss falls no more, or the budget is spent.

        Parameters
        ----------
        budget
            Decides the number of steps unless the progress names it already.
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
        if progress.step == 0 and not progress.warm:
            self._learn_pixels()
        clock = StepClock()
        while progress.of is None or progress.step < progress.of:
            self._note(self._step(progress.step))
            now = time.monotonic()
            progress.seconds = now - began
            if progress.of is None:
                progress.of = clock.steps_in(budget, progress, now)
            after_step(progress)
            if should_stop():
                raise TerminatedError
            if progress.seconds > budget.seconds:  # slower than it was while measured
                progress.stopped = "time"
                break
        return self.average

    def _learn_pixels(self) -> None:
        pixels = self.network.pixels
        if pixels is None:
            return
        optimizer = torch.optim.AdamW(pixels.parameters(), lr=PIXEL_RATE)
        for step in range(PIXEL_STEPS):
            images, targets = self.batches.draw(step, self.device)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(self.loss(self.network.pixel_maps(images), targets))
            optimizer.step()
        self.average.load_state_dict(self.network.state_dict())

    def _step(self, step: int) -> float:
        images, targets = self.batches.draw(step, self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * pace(step, self.progress.of)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.network(images), targets)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self._average(min(DECAY, (step + 1) / (step + 10)))
        return float(loss.detach())

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        for mean, latest in zip(self.average.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(latest, 1 - decay)

    def _note(self, loss: float) -> None:
        progress = self.progress
        progress.step += 1
        progress.loss = loss if progress.step == 1 else 0.95 * progress.loss + 0.05 * loss
        if progress.loss < progress.best:
            progress.best, progress.best_step = progress.loss, progress.step
        elif progress.step - progress.best_step == PATIENCE and progress.of is not None:
            progress.of = min(progress.of, progress.step + LAST_STEPS)
            progress.stopped = "plateau"


def pace(step: int, of: int | None) -> float:
    """The share of the highest rate at a step: up for ``WARM_UP`` steps, held, down a cosine."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    if of is None or step <= HOLD * of:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - HOLD * of) / (of - HOLD * of)))
