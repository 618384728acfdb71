"""Keeps the gauges true that nobody else sets: how much waits, how old it is, what is not ready."""

import asyncio
from datetime import datetime

import structlog
from pymongo.errors import PyMongoError

from wakeline_http import Readiness
from wakeline_messaging import outbox_depth
from wakeline_process.runtime import Runtime
from wakeline_telemetry import metrics

log = structlog.get_logger()

MEASURE_EVERY = 5.0
"""Seconds between two looks."""
GAUGES = {
    "dead": (metrics.dead_events, metrics.dead_oldest_seconds),
    "parked": (metrics.parked_events, metrics.parked_oldest_seconds),
    "waiting": (metrics.waiting_events, metrics.waiting_oldest_seconds),
}

WAITS_SINCE = {
    # Until its first try it may have been asked for ahead of its time; later ones are delays of it.
    "$cond": [{"$gt": ["$attempt", 0]}, "$created_at", {"$max": ["$created_at", "$not_before"]}]
}


async def measure(runtime: Runtime, readiness: Readiness, stop: asyncio.Event) -> None:
    """Look again and again until told to stop; without the store only the checks are looked at."""
    while not stop.is_set():
        for name, reason in (await readiness()).items():
            metrics.ready.labels(name).set(reason is None)
        try:
            rows, age = await outbox_depth(runtime.database)
            metrics.outbox_rows.set(rows)
            metrics.outbox_oldest_seconds.set(age)
            now = runtime.stores.open(None).now
            for name, (count, oldest) in GAUGES.items():
                count.set(await runtime.database[name].estimated_document_count())
                oldest.set(await _oldest(runtime, name, now))
            await _count_jobs(runtime, now)
            if runtime.service.gauges is not None:
                await runtime.service.gauges(runtime.stores.open(None))
        except PyMongoError as error:
            log.warning("gauges wait", cause=type(error).__name__)
        try:
            await asyncio.wait_for(stop.wait(), MEASURE_EVERY)
        except TimeoutError:
            continue


async def _oldest(runtime: Runtime, name: str, now: datetime) -> float:
    dated = {"since": {"$exists": True}}
    first = await runtime.database[name].find_one(dated, {"since": 1}, sort=[("since", 1)])
    return max(0.0, (now - first["since"]).total_seconds()) if first else 0.0


async def _count_jobs(runtime: Runtime, now: datetime) -> None:
    by = {
        "_id": {"kind": "$kind", "state": "$state"},
        "n": {"$sum": 1},
        "oldest": {"$min": WAITS_SINCE},
    }
    counted = await (await runtime.database["jobs"].aggregate([{"$group": by}])).to_list()
    # A kind and state without jobs has no row to say 0.
    metrics.jobs.clear()
    metrics.job_oldest_seconds.clear()
    for row in counted:
        labels = row["_id"]["kind"], row["_id"]["state"]
        metrics.jobs.labels(*labels).set(row["n"])
        age = (now - row["oldest"]).total_seconds() if row["oldest"] else 0.0
        metrics.job_oldest_seconds.labels(*labels).set(max(0.0, age))
