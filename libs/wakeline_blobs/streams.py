"""Bridges between asynchronous streams of bytes and the threads that talk to the store."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from concurrent.futures import Future


class BridgedReader:
    """A blocking ``read`` for a worker thread, over an asynchronous stream of the event loop.

    Made in the event loop. Each ``read`` gathers all it was asked for in one visit to the loop,
    as a visit costs more than a chunk.
    """

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._loop = asyncio.get_running_loop()
        self._chunks: AsyncIterator[bytes] = aiter(chunks)
        self._rest = b""
        self._gathering: Future[bytes] | None = None
        self._closed = False

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, fewer only at the end.

        Raises
        ------
        BrokenPipeError
            If the reader was closed: its consumer in the event loop has gone.
        """
        if self._closed:
            raise BrokenPipeError("the upload was given up")
        self._gathering = asyncio.run_coroutine_threadsafe(self._gather(size), self._loop)
        return self._gathering.result()

    def close(self) -> None:
        """Make the pending and every later ``read`` fail, so that the thread ends soon."""
        self._closed = True
        if self._gathering is not None:
            self._gathering.cancel()

    async def _gather(self, size: int) -> bytes:
        found: list[bytes] = []
        missing = size
        while missing > 0:
            try:
                chunk = self._rest or await anext(self._chunks)
            except StopAsyncIteration:
                break
            taken, self._rest = chunk[:missing], chunk[missing:]
            found.append(taken)
            missing -= len(taken)
        return b"".join(found)
