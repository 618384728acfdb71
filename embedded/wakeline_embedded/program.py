"""What the stack knows about each program it runs: how to start it, and when it works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wakeline_embedded.child import Child


class StartError(Exception):
    """A program ended, or did not get ready in time, while it was being started."""

    code = "not-started"


Check = Callable[[], Awaitable[None]]
"""Raises unless the program does its work now: an operation, not an open port."""


@dataclass(frozen=True)
class Program:
    """A program, ready to be spawned any number of times."""

    name: str
    argv: tuple[str, ...]
    log: Path
    check: Check
    port: int
    """Where it answers (127.0.0.1)."""
    env: Mapping[str, str] = field(default_factory=dict)
    other_ports: tuple[int, ...] = ()
    """Ports it listens on besides."""
    make_ready: Check | None = None
    """As ``check``, but may first do what a fresh start needs."""
    niceness: int = 0
    """How far it stands back for others when the processor is short, from 0 to 19 (nice(2))."""
    grace: float = 8.0
    """Seconds it gets to stop by itself."""
    advice: str = ""
    """What to do if the program cannot run on this machine."""

    def spawn(self) -> Child:
        """Start it, without waiting for anything."""
        return Child(self.argv, self.log, env=self.env, niceness=self.niceness)


async def wait_until_ready(program: Program, child: Child, timeout: float) -> None:
    """Return as soon as the program does its work.

    Raises
    ------
    StartError
        If it ends, or does not work within ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        if (code := child.exit_code) is not None:
            raise StartError(
                f"{program.name} ended with {code} while starting. {program.advice}\n"
                f"Its last words ({program.log}):\n{child.last_words()}"
            )
        try:
            await asyncio.wait_for((program.make_ready or program.check)(), 5.0)
        except Exception as error:  # any failure means: not yet
            if time.monotonic() > deadline:
                raise StartError(
                    f"{program.name} does not work after {timeout:.0f} s: {error!r}\n"
                    f"Its last words ({program.log}):\n{child.last_words()}"
                ) from error
        else:
            return
        await asyncio.sleep(0.05)


async def start(program: Program, timeout: float = 40.0) -> Child:
    """Start a program and wait until it works; a failed start leaves nothing behind."""
    child = program.spawn()
    try:
        await wait_until_ready(program, child, timeout)
    except BaseException:
        await child.stop(grace=1.0)
        raise
    return child
