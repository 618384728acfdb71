"""Ends what a supervisor that was killed has left running."""

from __future__ import annotations

import asyncio
import os
from typing import Final

from wakeline_embedded import processes
from wakeline_embedded.layout import Layout
from wakeline_embedded.state import ProcessRecord, StackState

_GRACE: Final = 15.0


async def end_survivors(layout: Layout) -> tuple[ProcessRecord, ...]:
    """End what a supervisor that was killed left running; returns the records of those.

    Only processes whose start is the written one are touched: a pid alone may be anyone's by now.
    """
    state = StackState.load(layout)
    if state is None or (state.supervised and state.supervisor.pid != os.getpid()):
        return ()
    survivors = state.survivors
    # they got SIGTERM when the supervisor died, so most of this is waiting
    for services in (True, False):
        ids = [one.process for one in survivors if one.is_service is services and one.process]
        await asyncio.gather(*(asyncio.to_thread(processes.end, one, _GRACE) for one in ids))
    return survivors
