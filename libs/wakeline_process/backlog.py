"""Back-pressure: who sends much waits while what was sent before is still on its way."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Request

from wakeline_messaging import outbox_depth
from wakeline_process.runtime import Runtime

MOST_ROWS = 50_000
LONGEST_WAIT = timedelta(seconds=60)
"""With more in the outbox, or for longer, bulk requests are asked to come again later."""


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


async def _not_behind(request: Request) -> None:
    runtime: Runtime = request.app.state.runtime
    await refuse_while_behind(runtime.database)


NotBehind = Annotated[None, Depends(_not_behind)]
"""A route that asks for it, after its principal, is refused while too much waits to be sent."""
