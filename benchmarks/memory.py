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

from benchmarks import cycle
from wakeline_embedded.layout import Layout
from wakeline_embedded.state import StackState

IDLE_AFTER = float(os.environ.get("IDLE_AFTER", "10"))
SAMPLE_EVERY = 0.5
PROC = Path("/proc")
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
            tokens = await cycle._prepare(client, layout)
            url = (await client.operations.services())["labeling"]
            await cycle._drive([cycle._labeler(url, t) for t in tokens], cycle._our_cycle)
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
    """The processes that the stack's supervisor names, with their children, and itself."""
    state = StackState.load(layout)
    assert state is not None
    names = {r.process.pid: r.name for r in state.records if r.process is not None}
    names[state.supervisor.pid] = "supervisor"
    found = Memory()
    for pid in _pids():
        with suppress(OSError, ValueError):  # ended meanwhile
            if (name := _name(pid, names)) is not None:
                rollup = _rollup(pid)
                found.resident[name] += rollup["Rss"]
                found.shares += rollup["Pss"]
    return found


def _pids() -> list[int]:
    return [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]


def _name(pid: int, names: dict[int, str]) -> str | None:
    """The name of the nearest ancestor that has one."""
    while pid > 1:
        if pid in names:
            return names[pid]
        _, _, rest = (PROC / str(pid) / "stat").read_text().rpartition(")")
        pid = int(rest.split()[1])
    return None


def _rollup(pid: int) -> dict[str, int]:
    """Bytes of ``smaps_rollup`` (proc(5)), by name."""
    lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    return {key: int(rest.split()[0]) * 1024 for key, _, rest in (n.partition(":") for n in lines)}


def _mb(value: int) -> int:
    return round(value / 1e6)
