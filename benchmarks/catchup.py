"""Events while a consumer is down: none is lost, and it catches up.

``EVENTS`` (default 20,000) labels, ten minutes of 33 a second, arrive while nothing consumes them.
Then the review service's consumer starts as its own process, and the clock runs from its first
mark until the last one.
"""

import asyncio
import os
import time
from typing import Any

from benchmarks import events
from benchmarks.consumer import configure, send
from benchmarks.servers import migrated, process, servers
from wakeline_embedded import ports
from wakeline_process.processes import Kind
from wakeline_process.runtime import Runtime
from wakeline_process.service import HttpSettings
from wakeline_review.settings import Settings
from wakeline_review.wiring import service
from wakeline_testing.running import settings_of

EVENTS = int(os.environ.get("EVENTS", "20000"))
GOALS = {"lost": ("==", 0), "events_per_second": (">=", 2_000.0)}


async def measure() -> dict[str, Any]:
    """Send, start, wait."""
    async with servers() as scope:
        http = HttpSettings(port=ports.free_port())
        review = service(settings_of(scope, "review", Settings, http=http))
        await configure(scope)
        await send(review.settings.kafka, map(events.completed, range(EVENTS)))
        async with migrated(review) as runtime, process(review, Kind.CONSUME):
            seconds = await _caught_up(runtime)
            reviews = await runtime.database["reviews"].count_documents({})
            emitted = await runtime.database["outbox"].count_documents({})
    return {
        "lost": EVENTS - min(reviews, emitted),
        "events_per_second": round(EVENTS / seconds),
        "seconds": round(seconds, 1),
        "events": EVENTS,
    }


async def _caught_up(runtime: Runtime) -> float:
    """Seconds from the first marks until there is one for each asset and for the project.

    Labels that came before the project wait for it, with their marks set: they count when done.
    """
    marks, waiting = runtime.database["marks"], runtime.database["waiting"]
    started = 0.0
    while (taken_in := await marks.count_documents({})) <= EVENTS or await waiting.find_one():
        if taken_in and not started:
            started = time.perf_counter()
        await asyncio.sleep(0.05)
    return time.perf_counter() - started
