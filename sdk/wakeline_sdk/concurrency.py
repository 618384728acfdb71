"""Several calls at once with their results in order: in tasks for asyncio, else in threads."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def in_tasks(
    work: Callable[[T], Awaitable[R]], items: Iterable[T], workers: int
) -> AsyncIterator[R]:
    """Results of ``work`` on each item, in order, while at most ``workers`` are in hand."""
    pending: deque[asyncio.Task[R]] = deque()
    try:
        for item in items:
            if len(pending) == workers:
                yield await pending.popleft()
            pending.append(asyncio.ensure_future(_awaited(work, item)))
        while pending:
            yield await pending.popleft()
    finally:
        for task in pending:
            task.cancel()


def in_threads(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Results of ``work`` on each item, in order, while at most ``workers`` are in hand."""
    pending: deque[Future[R]] = deque()
    threads = ThreadPoolExecutor(workers, thread_name_prefix="wakeline")
    try:
        for item in items:
            if len(pending) == workers:
                yield pending.popleft().result()
            pending.append(threads.submit(work, item))
        while pending:
            yield pending.popleft().result()
    finally:
        # Who stops does not wait for requests that nobody answers, again and again.
        threads.shutdown(wait=False, cancel_futures=True)


async def _awaited(work: Callable[[T], Awaitable[R]], item: T) -> R:
    return await work(item)
