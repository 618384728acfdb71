"""Which fault comes when: pure, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Kind = Literal["kill", "pause", "cut", "slow", "fill"]
STORES = ("broker", "mongod", "seaweedfs")


@dataclass(frozen=True)
class Rates:
    """How often what happens; shares are of all faults, what is left are kills."""

    every: float = 1.2
    """Mean seconds between two faults."""
    pause: float = 0.03
    """SIGSTOP of a service's process."""
    outage: float = 0.012
    """A store that hangs (SIGSTOP) or is away (no connection)."""
    slow: float = 0.015
    """A store behind a slow network."""
    fill: float = 0.004
    """A store's disk without space."""
    longest: float = 60.0
    """Seconds a pause or an outage takes at most."""


@dataclass(frozen=True)
class Fault:
    """One thing that is done to the platform."""

    number: int
    after: float
    """Seconds since the fault before it."""
    kind: Kind
    target: str
    """Process, as the stack names it."""
    seconds: float = 0.0
    """How long it lasts; a kill is over at once."""
    delay: float = 0.0
    """Seconds by which a slow network holds up every packet."""


def faults(
    seed: int, targets: Sequence[str], rates: Rates, fillable: Sequence[str] = ()
) -> Iterator[Fault]:
    """Faults without end.

    Parameters
    ----------
    targets
        Names of all processes, stores among them; kills go round, so that each gets its share.
    fillable
        Stores whose disk can be filled here.
    """
    random = Random(seed)
    stores = [name for name in targets if name in STORES]
    services = [name for name in targets if name not in STORES]
    left: list[str] = []
    number = 0
    while True:
        number += 1
        after = min(random.expovariate(1 / rates.every), 4 * rates.every)
        draw, lasting = random.random(), random.uniform(0.05, 1.0) * rates.longest
        if draw < rates.pause:
            yield Fault(number, after, "pause", random.choice(services), lasting)
        elif (draw := draw - rates.pause) < rates.outage:
            how: Kind = "pause" if random.random() < 0.5 else "cut"
            yield Fault(number, after, how, random.choice(stores), lasting)
        elif (draw := draw - rates.outage) < rates.slow:
            delay = random.choice((0.02, 0.1, 0.3))
            yield Fault(number, after, "slow", random.choice(stores), lasting, delay)
        elif draw - rates.slow < rates.fill and fillable:
            yield Fault(number, after, "fill", random.choice(fillable), lasting / 2)
        else:
            if not left:
                left = sorted(targets)
                random.shuffle(left)
            yield Fault(number, after, "kill", left.pop())
