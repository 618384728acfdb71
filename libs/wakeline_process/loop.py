"""How a process of ours runs its event loop."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")

YOUNG = 50_000
"""Objects more than were freed, before the garbage collector looks for cycles; Python's own is
700, which has it look every few events."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a process' main coroutine on uvloop, as uvicorn does by itself."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def calm_collector() -> None:
    """Spare the garbage collector what is there by now: modules, classes and clients stay.

    Call once, when everything is set up. It halves the time that a busy consumer takes for an
    event; `python -m benchmarks consumer` shows it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 100)
