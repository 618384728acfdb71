"""Waiting, the one thing that is spelt differently with and without async."""

import asyncio


async def pause(seconds: float) -> None:
    """Wait."""
    await asyncio.sleep(seconds)
