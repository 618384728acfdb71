"""A child process that dies with the one that started it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from wakeline_embedded import processes
from wakeline_embedded.processes import ProcessId, ProcessStat

_PR_SET_PDEATHSIG: Final = 1
_TRIES, _RATE = 5, 0.1
# loaded before any fork: between fork and exec nothing may import or take a lock
_LIBC: Final = ctypes.CDLL(None)


class CannotRunError(Exception):
    """A program could not be started at all, e.g. because its file is missing."""

    code = "cannot-run"


class Child:
    """A running program: its output goes to a log, its end follows ours.

    It gets SIGTERM when the *thread* that spawned it ends (PR_SET_PDEATHSIG), so spawn from a
    thread that lives as long as the child shall, as an event loop's own.
    """

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        niceness: int = 0,
    ) -> None:
        """Spawn the program; ``env`` is added to this process's own environment.

        ``niceness``, from 0 to 19, says how far it stands back for others (nice(2)).
        """
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        # append mode: the log may be cut from outside while the child goes on writing
        with log.open("ab") as output:
            try:
                self._process = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=folder,
                    env={**os.environ, **(env or {})},
                    start_new_session=True,  # Ctrl-C in a terminal is for the parent to pass on
                    preexec_fn=_before_exec(os.getpid(), niceness),
                )
            except OSError as error:
                raise CannotRunError(f"{argv[0]}: {error.strerror}") from error
        found = processes.stat(self.pid)
        # an unreaped child keeps its entry, so there is one even if it has exited already
        assert found is not None
        self.identity = ProcessId(self.pid, found.started, processes.boot_id())

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; else its exit code, or minus the signal that ended it."""
        return self._process.poll()

    @property
    def stat(self) -> ProcessStat | None:
        """What the kernel says about it now; None once it has ended."""
        return None if self.exit_code is not None else processes.stat(self.pid)

    def last_words(self, characters: int = 800) -> str:
        """The end of its log, for messages."""
        return tail(self.log, characters)

    def send(self, sent: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.exit_code is None:
            self._process.send_signal(sent)

    async def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        if self.exit_code is None:
            loop = asyncio.get_running_loop()
            ended = asyncio.Event()
            descriptor = os.pidfd_open(self.pid)  # becomes readable when the process has ended
            loop.add_reader(descriptor, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(descriptor)
                os.close(descriptor)
        return self._process.wait()

    async def stop(self, grace: float = 8.0) -> int:
        """SIGTERM, after ``grace`` seconds SIGKILL; returns the exit code. Leaves no zombie."""
        self.send(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self.wait(), grace)
        except TimeoutError:
            self.send(signal.SIGKILL)
            return await self.wait()


def tail(log: Path, characters: int = 800) -> str:
    """The last characters of a log file; "" if there is none."""
    try:
        with log.open("rb") as lines:
            lines.seek(max(0, lines.seek(0, os.SEEK_END) - characters))
            return lines.read().decode(errors="replace").strip()
    except FileNotFoundError:
        return ""


def _stand_back(niceness: int) -> None:
    """Lower the priority of this process, and of its session.

    Where Linux shares the processor among sessions first, a process' own niceness counts within its
    session only (sched(7), "The autogroup feature"). Without privileges the session's may be
    changed ten times a second on a whole machine.
    """
    os.nice(niceness)
    for _ in range(_TRIES):
        try:
            group = os.open("/proc/self/autogroup", os.O_WRONLY)
            os.write(group, str(niceness).encode())
        except BlockingIOError:
            time.sleep(_RATE)
        except OSError:
            return  # no such feature here
        else:
            return


def _before_exec(parent: int, niceness: int) -> Callable[[], None]:
    def before_exec() -> None:
        if niceness:
            _stand_back(niceness)
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent died before the line above
            os._exit(1)

    return before_exec
