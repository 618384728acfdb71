"""Back-pressure: who sends much waits while what was sent before is still on its way."""

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Request

from wakeline_messaging import Stores, outbox_depth
from wakeline_process.runtime import Runtime

MOST_ROWS = 50_000
LONGEST_WAIT = timedelta(seconds=60)
"""With more in the outbox, or for longer, bulk requests are asked to come again later."""
MOMENT = 0.2
"""Seconds for which a process takes it that there is room, once it has looked."""


class BacklogError(Exception):
    """More waits here to be sent than a bulk request may add to."""

    code: ClassVar[str] = "backlog"
    retry_after: ClassVar[int] = 10

    def __init__(self, rows: int, seconds: float) -> None:
        super().__init__(
            f"{rows} events wait to be sent, the oldest for {seconds:.0f} s: try again later"
        )
        self.extra: Mapping[str, Any] = {}


async def refuse_while_behind(database: Any) -> None:
    """Raise BacklogError while more waits to be sent than a bulk request may add to."""
    rows, seconds = await outbox_depth(database)
    if rows > MOST_ROWS or seconds > LONGEST_WAIT.total_seconds():
        raise BacklogError(rows, seconds)


class _Room:
    """Remembers for a moment that there is room: many small requests ask all the time.

    When the moment is over one of them looks, and those that come meanwhile wait for it.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._looking = asyncio.Lock()

    async def require(self, database: Any) -> None:
        if self._there_is():
            return
        async with self._looking:
            if not self._there_is():
                await refuse_while_behind(database)
                self._until = time.monotonic() + MOMENT

    def _there_is(self) -> bool:
        return time.monotonic() < self._until


async def _not_behind(request: Request) -> None:
    runtime: Runtime = request.app.state.runtime
    await runtime.shared(_room).require(runtime.database)


def _room(_: Stores) -> _Room:
    return _Room()


NotBehind = Annotated[None, Depends(_not_behind)]
"""A route that asks for it, after its principal, is refused while too much waits to be sent."""
