"""The next task of a million queued ones, against the next of ten thousand.

``LONG`` (default 1,000,000) and 10,000 slots are put straight into one database, as queues of two
projects; then one labeler leases from both by turns, so that the machine's noise falls on both,
``LEASES`` (default 400) times each, and gives nothing back. Nothing is remembered of the queues at
first: both pay for being counted.
"""

import os
import statistics
import time
from typing import Any

import httpx

from benchmarks import events, labeling
from wakeline_auth import Role
from wakeline_labeling.domain import opening
from wakeline_labeling.domain.opening import Terms
from wakeline_labeling.domain.records import Stage
from wakeline_labeling.store.documents import document_of
from wakeline_process.processes import Process

LONG = int(os.environ.get("LONG", "1000000"))
SHORT = 10_000
LEASES = int(os.environ.get("LEASES", "400"))
PAGE = 10_000
YARDSTICK = "the same lease from a queue of 10,000, by turns"
GOALS = {"ratio": ("<=", 1.5)}


async def measure() -> dict[str, Any]:
    """Fill both queues and lease from them."""
    sizes = {"short": SHORT, "long": LONG}
    async with labeling.labeling() as process:
        for project, size in sizes.items():
            await labeling.configure(process, project)
            await _fill(process, project, size)
        async with labeling.client(process, Role.LABELER, labeling.TEAM) as labeler:
            spent: dict[str, list[float]] = {project: [] for project in sizes}
            for _ in range(LEASES):
                for project in sizes:
                    spent[project].append(await _next_ms(labeler, project))
    found = {
        f"{project}_{name}_ms": round(of(values), 2)
        for project, values in spent.items()
        for name, of in (("median", statistics.median), ("mean", statistics.mean), ("p95", _p95))
    }
    return {
        "ratio": round(found["long_median_ms"] / found["short_median_ms"], 2),
        "ratio_of_means": round(found["long_mean_ms"] / found["short_mean_ms"], 2),
        "long": LONG,
        "short": SHORT,
        **found,
    }


async def _fill(process: Process, project: str, size: int) -> None:
    uow: Any = process.runtime.stores.open(None)
    stage = Stage(await uow.projects.get(project), 0)
    terms = Terms(b"a secret of the benchmark", False, {}, labeling.now())
    (template,) = opening.open_task(stage, events.asset(0, project), terms).slots
    row = document_of(template)
    slots = process.runtime.database["slots"]
    for start in range(0, size, PAGE):
        await slots.insert_many(
            [
                row
                | {
                    "_id": f"{project}{n:x}.0",
                    "task_id": f"{project}{n:x}",
                    # Spread as uncertainties are: neighbours in the queue are none on disk.
                    "rank": n * 0.6180339887 % 1,
                    "draw": n * 0.4142135623 % 1,
                }
                for n in range(start, min(start + PAGE, size))
            ],
            ordered=False,
        )


async def _next_ms(labeler: httpx.AsyncClient, project: str) -> float:
    started = time.perf_counter()
    answer = await labeler.post(f"/v1/projects/{project}/stages/boxes/leases", json={"count": 1})
    answer.raise_for_status()
    return (time.perf_counter() - started) * 1000


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[18]
