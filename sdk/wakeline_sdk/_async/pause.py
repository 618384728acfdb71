"""Waiting and work beside the loop: the things that are spelt differently without async."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


async def pause(seconds: float) -> None:
    """Wait."""
    await asyncio.sleep(seconds)


async def aside(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call what takes long without stopping anything else."""
    return await asyncio.to_thread(function, *args, **kwargs)
