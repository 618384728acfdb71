"""Opening tasks with their events, a second: for the assets of a dataset, as the job does it.

``ASSETS`` (default 10,000) lie in the service's database; a project over their dataset opens each
of them: a task, a slot, a place in the stream of its events and an outbox row, in transactions of a
page. The yardstick is ``insert_many`` of the very documents that were opened (task, slot and outbox
row), in pages of the same size, on the same indexes.
"""

import os
import time
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession

from benchmarks import events, labeling
from wakeline_labeling.usecases import opening
from wakeline_process.processes import Process

ASSETS = int(os.environ.get("ASSETS", "10000"))
DATASET = "many"
YARDSTICK = "insert_many of the same tasks, slots and outbox rows"
GOALS = {"tasks_per_second": (">=", 10_000.0), "ratio": (">=", 0.25)}
EITHER = (("tasks_per_second", "ratio"),)
KINDS = ("tasks", "slots", "outbox")


async def measure() -> dict[str, Any]:
    """Open all tasks, then store the same rows with nothing around them."""
    async with labeling.labeling() as process:
        await labeling.configure(process, DATASET)
        await _ingested(process)
        ours, steps = await _open_all(process)
        bare = await _insert(process)
    return {
        "tasks_per_second": round(ASSETS / ours),
        "ratio": round(bare / ours, 3),
        "bare_tasks_per_second": round(ASSETS / bare),
        "assets": ASSETS,
        "transactions": steps,
    }


async def _ingested(process: Process) -> None:
    uow: Any = process.runtime.stores.open(None)
    for number in range(ASSETS):
        uow.assets.add(events.asset(number, DATASET), [])
    await uow.write()


async def _open_all(process: Process) -> tuple[float, int]:
    stores, steps = process.runtime.stores, 0
    after: str | None = ""
    started = time.perf_counter()
    while after is not None:

        async def step(session: AsyncClientSession, after: str = after) -> str | None:
            uow: Any = stores.open(session)
            cursor: str | None = await opening.open_dataset(uow, DATASET, DATASET, after)
            await uow.write()
            return cursor

        after = await stores.transactions.run(step)
        steps += 1
    return time.perf_counter() - started, steps


async def _insert(process: Process) -> float:
    database, seconds = process.runtime.database, 0.0
    for kind in KINDS:
        rows = await database[kind].find({}).to_list()
        assert len(rows) >= ASSETS, f"{len(rows)} {kind}"
        await database[kind].delete_many({})
        started = time.perf_counter()
        for start in range(0, len(rows), opening.BATCH):
            await database[kind].insert_many(rows[start : start + opening.BATCH])
        seconds += time.perf_counter() - started
    return seconds
