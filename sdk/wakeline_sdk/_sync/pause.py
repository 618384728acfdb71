"""Waiting and work beside the loop: the things that are spelt differently without async."""

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def pause(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


def aside(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call what takes long without stopping anything else."""
    return function(*args, **kwargs)
