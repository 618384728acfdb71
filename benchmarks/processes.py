"""The processes of a stack, as the kernel sees them: who is which, and the CPU time of each."""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from wakeline_embedded.layout import Layout
from wakeline_embedded.state import StackState

PROC = Path("/proc")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def of_stack(layout: Layout) -> Iterator[tuple[int, str]]:
    """The processes that the stack's supervisor names, with their children, and itself."""
    state = StackState.load(layout)
    assert state is not None
    names = {r.process.pid: r.name for r in state.records if r.process is not None}
    names[state.supervisor.pid] = "supervisor"
    for path in PROC.iterdir():
        if path.name.isdigit():
            with suppress(OSError, ValueError):  # ended meanwhile
                if (name := _name(int(path.name), names)) is not None:
                    yield int(path.name), name


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has had, in user and system mode (proc(5))."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def cpu_of_stack(layout: Layout) -> dict[str, float]:
    """CPU seconds of a stack's processes so far, by name."""
    found: dict[str, float] = defaultdict(float)
    for pid, name in of_stack(layout):
        with suppress(OSError):
            found[name] += cpu_seconds(pid)
    return dict(found)


def _name(pid: int, names: dict[int, str]) -> str | None:
    """The name of the nearest ancestor that has one."""
    while pid > 1:
        if pid in names:
            return names[pid]
        pid = int(_stat(pid)[1])
    return None


def _stat(pid: int) -> list[str]:
    """The fields behind the command: it may hold spaces and parentheses."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
