"""What the kernel says about a process: its state, its start, its memory.

A killed daemon whose parent never reaps it stays in the process table as a zombie, and
``kill(pid, 0)`` goes on succeeding for it. So nothing here asks with a signal: a process lives
if ``/proc/PID/stat`` says so, and it is *the same* process only if it also started at the same
tick of the same boot, because pids come round again.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
DEAD_STATES: Final = frozenset("ZXx")
"""Zombie and dead: what the thread that is in it held is given back."""

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class ProcessStat:
    """One reading of ``/proc/PID/stat``."""

    pid: int
    command: str
    state: str
    """The kernel's letter: R running, S sleeping, D waiting for a disk, T stopped, Z zombie..."""
    parent: int
    threads: int
    """Those that have not ended; 1 also of a zombie, which counts itself."""
    started: int
    """Clock ticks from the boot of the machine to the start of the process."""
    resident_bytes: int

    @property
    def alive(self) -> bool:
        """Whether the process still runs, as opposed to waiting for its parent to reap it.

        The state is that of its first thread, which may be a zombie while others still end: until
        then they hold all ports and files.
        """
        return self.state not in DEAD_STATES or self.threads > 1


@dataclass(frozen=True)
class ProcessId:
    """A process named so that no later process can be mistaken for it."""

    pid: int
    started: int
    """Clock ticks from the boot to its start."""
    boot: str
    """The kernel's id of that boot."""


def parse_stat(text: str) -> ProcessStat:
    """Read one line of ``/proc/PID/stat`` (proc(5)).

    The command may hold spaces and parentheses, so the fields are counted from the last ")".
    """
    opening, closing = text.index("("), text.rindex(")")
    fields = text[closing + 2 :].split()
    return ProcessStat(
        pid=int(text[:opening]),
        command=text[opening + 1 : closing],
        state=fields[0],
        parent=int(fields[1]),
        threads=int(fields[17]),
        started=int(fields[19]),
        resident_bytes=int(fields[21]) * _PAGE_BYTES,
    )


def stat(pid: int) -> ProcessStat | None:
    """What the kernel knows about a pid; None if there is no such process."""
    try:
        return parse_stat((PROC / str(pid) / "stat").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        return None


def boot_id() -> str:
    """The kernel's random id of this boot."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> ProcessId | None:
    """The lasting name of a running process; None if nothing runs under the pid."""
    found = stat(pid)
    return ProcessId(pid, found.started, boot_id()) if found and found.alive else None


def this_process() -> ProcessId:
    """The lasting name of the process that asks."""
    found = identify(os.getpid())
    assert found is not None
    return found


def is_alive(process: ProcessId) -> bool:
    """Whether exactly this process still runs: not a zombie, not a later one of the same pid."""
    found = stat(process.pid)
    return (
        found is not None
        and found.alive
        and found.started == process.started
        and process.boot == boot_id()
    )


def age_seconds(started: int) -> float:
    """Seconds since a process started, from its start in ticks after the boot."""
    uptime = float((PROC / "uptime").read_text().split()[0])
    return max(0.0, uptime - started / _TICKS_PER_SECOND)


def command_line(pid: int) -> str:
    """The arguments a process was started with, "" where they can't be read."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return " ".join(word.decode(errors="replace") for word in words if word)


def end(process: ProcessId, grace: float) -> bool:
    """End exactly this process: SIGTERM, after ``grace`` seconds SIGKILL.

    Returns whether it was still running. For processes that are not our children; a child is
    waited for instead, so that it leaves no zombie.
    """
    if not is_alive(process):
        return False
    for sent, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        try:
            os.kill(process.pid, sent)
        except ProcessLookupError:
            return True
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not is_alive(process):
                return True
            time.sleep(0.02)
    raise TimeoutError(f"process {process.pid} outlives SIGKILL (state {stat(process.pid)})")
