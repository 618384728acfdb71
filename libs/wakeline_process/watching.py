"""Ends a process whose database client answers nothing any more, while the database does."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from time import monotonic

import structlog

from wakeline_process.runtime import Runtime
from wakeline_storage import connect, require_primary

log = structlog.get_logger()

LOOK_EVERY = timedelta(seconds=5)
ANSWER_IN = timedelta(seconds=5)
STUCK_AFTER = timedelta(minutes=2)
"""Longer than any election or failover, after which a client finds the primary by itself."""


class ClientStuckError(Exception):
    """The process cannot go on by itself; started again, it can."""


async def watch_client(
    runtime: Runtime, stop: asyncio.Event, stuck_after: timedelta = STUCK_AFTER
) -> None:
    """Look until told to stop.

    A database that is away is waited for: only where a client of the same settings is answered is
    it this one's own fault, a lock that nobody gives back say.

    Raises
    ------
    ClientStuckError
        Its own client has answered nothing for ``stuck_after``, and a new one is answered.
    """
    answered = monotonic()
    while not stop.is_set():
        if await _answers(runtime.check_mongo()):
            answered = monotonic()
        elif monotonic() - answered > stuck_after.total_seconds():
            if await _answers(_ask_anew(runtime)):
                raise ClientStuckError(f"no answer from MongoDB for {stuck_after}, others get one")
            log.warning("MongoDB answers nobody", since=round(monotonic() - answered))
        try:
            await asyncio.wait_for(stop.wait(), min(LOOK_EVERY, stuck_after).total_seconds())
        except TimeoutError:
            continue


async def _ask_anew(runtime: Runtime) -> None:
    async with connect(runtime.service.settings.mongo) as client:
        await require_primary(client)


async def _answers(asking: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(ANSWER_IN.total_seconds()):
            await asking
    except Exception:  # whatever it is, it is no answer
        return False
    return True
