"""A file a few items at a time, up to its end or to where it cannot be read any further."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from wakeline_ingest.domain.errors import ArchiveError, TableError

T = TypeVar("T")


async def chunks(
    items: Iterator[T], is_full: Callable[[Sequence[T]], bool]
) -> AsyncIterator[list[T]]:
    """Yield what comes, read in a thread; an error that ends it comes behind what came before it.

    Raises
    ------
    ArchiveError, TableError
        Those of the items.
    """
    while True:
        chunk, error = await asyncio.to_thread(_next_chunk, items, is_full)
        if chunk:
            yield chunk
        if error is not None:
            raise error
        if not chunk:
            return


def _next_chunk(
    items: Iterator[T], is_full: Callable[[Sequence[T]], bool]
) -> tuple[list[T], ArchiveError | TableError | None]:
    chunk: list[T] = []
    try:
        while not is_full(chunk):
            chunk.append(next(items))
    except StopIteration:
        return chunk, None
    except (ArchiveError, TableError) as error:
        return chunk, error
    return chunk, None


async def all_of(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of work that is done at the same time, in its order.

    If a part of it fails, or the whole is cancelled, none of the rest goes on behind the caller's
    back: it is cancelled, and has ended when the error is raised.
    """
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
