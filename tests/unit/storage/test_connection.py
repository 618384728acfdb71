"""What the client waits with gives back what it holds."""

import asyncio

import pytest
from pymongo import lock as locks

import wakeline_storage  # noqa: F401  mends how they wait


async def test_who_is_cancelled_as_its_time_ends_keeps_no_lock() -> None:
    lock = locks._async_create_lock()
    condition = locks._async_create_condition(lock)

    async def wait() -> None:
        async with lock:
            await locks._async_cond_wait(condition, 0.01)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    await lock.acquire()
    await asyncio.sleep(0.05)  # its time has ended, and it wants the lock back
    waiting.cancel()
    lock.release()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0.01)
    assert not lock.locked()
