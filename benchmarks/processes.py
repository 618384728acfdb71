"""The processes of a stack, as the kernel sees them: who is which, and the CPU time of each."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from wakeline_embedded.layout import Layout
from wakeline_embedded.state import StackState

PROC = Path("/proc")
Spent = dict[str, float]
"""CPU seconds by process."""
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


def peak_mb(pid: int) -> float:
    """The most memory that a process has had in RAM, in MiB; 0.0 of one that has ended (proc(5)).

    Not ``ru_maxrss``: of a child that is what its parent had, if that was more.
    """
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_of_stack(layout: Layout) -> Spent:
    """CPU seconds of a stack's processes so far, by name."""
    found: dict[str, float] = defaultdict(float)
    for pid, name in of_stack(layout):
        with suppress(OSError):
            found[name] += cpu_seconds(pid)
    return dict(found)


def cpu_of_family(names: Mapping[int, str]) -> Spent:
    """CPU seconds so far of this process ("client") and of all that it started.

    Those that ``names`` leaves out are called like their programs.
    """
    found: dict[str, float] = defaultdict(float)
    mine = {os.getpid(): "client"}
    for path in PROC.iterdir():
        if path.name.isdigit():
            with suppress(OSError, ValueError):  # ended meanwhile
                pid = int(path.name)
                if _name(pid, mine) is not None:
                    program = (path / "comm").read_text().strip()
                    found[(mine | dict(names)).get(pid, program)] += cpu_seconds(pid)
    return dict(found)


def difference(after: Spent, before: Spent) -> Spent:
    """What was spent between."""
    return {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}


def cpu_ms_each(spent: Spent, pieces: int) -> str:
    """Milliseconds of one piece of work: all, and by process, the most first."""
    each = {name: 1000 * seconds / pieces for name, seconds in spent.items()}
    ordered = sorted(each.items(), key=lambda item: -item[1])
    named = [f"{name} {ms:.2f}" for name, ms in ordered if ms >= 0.01]
    return f"{sum(each.values()):.2f} ({', '.join(named)})"


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
