"""Memory of the embedded stack, each process, idle and under load.

Idle is ten seconds after ``wakeline up``; load is the cycle benchmark's: ``TASKS`` images taken in,
then 16 labelers. A process' figure is what is resident of it; the stack's is the sum of their
proportional shares, so that a page that several share counts once.
"""

import asyncio
import os
import tempfile
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import cycle, processes
from wakeline_embedded.layout import Layout

IDLE_AFTER = float(os.environ.get("IDLE_AFTER", "10"))
SAMPLE_EVERY = 0.5
GOALS = {"stack_idle_mb": ("<=", 1_200.0)}
"""MB are 10^6 bytes."""


@dataclass
class Memory:
    """Of all processes of a stack at one moment, in bytes."""

    resident: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    shares: int = 0


async def measure() -> dict[str, Any]:
    """Look at an idle stack, then again and again while it works."""
    with tempfile.TemporaryDirectory(prefix="wakeline-memory-") as folder:
        layout = Layout.prepared(Path(folder))
        async with cycle._stack(layout) as (client, _):
            await asyncio.sleep(IDLE_AFTER)
            idle = of_stack(layout)
            watching = asyncio.create_task(_most(layout))
            tokens = await cycle._prepare(client, layout, cycle._upload)
            url = (await client.operations.services())["labeling"]
            await cycle._drive([cycle._labeler(url, t) for t in tokens], cycle._our_cycle, dict)
            watching.cancel()
            most = await watching
    return {
        "stack_idle_mb": _mb(idle.shares),
        "stack_load_mb": _mb(most.shares),
        **{f"{name}_idle_mb": _mb(value) for name, value in sorted(idle.resident.items())},
        **{f"{name}_load_mb": _mb(value) for name, value in sorted(most.resident.items())},
    }


async def _most(layout: Layout) -> Memory:
    """The most that each process, and all of them, had until this is cancelled."""
    most = Memory()
    with suppress(asyncio.CancelledError):
        while True:
            now = of_stack(layout)
            most.shares = max(most.shares, now.shares)
            for name, value in now.resident.items():
                most.resident[name] = max(most.resident[name], value)
            await asyncio.sleep(SAMPLE_EVERY)
    return most


def of_stack(layout: Layout) -> Memory:
    """Of a stack's processes now."""
    found = Memory()
    for pid, name in processes.of_stack(layout):
        with suppress(OSError):  # ended meanwhile
            rollup = _rollup(pid)
            found.resident[name] += rollup["Rss"]
            found.shares += rollup["Pss"]
    return found


def _rollup(pid: int) -> dict[str, int]:
    """Bytes of ``smaps_rollup`` (proc(5)), by name."""
    lines = (processes.PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    return {key: int(rest.split()[0]) * 1024 for key, _, rest in (n.partition(":") for n in lines)}


def _mb(value: int) -> int:
    return round(value / 1e6)
