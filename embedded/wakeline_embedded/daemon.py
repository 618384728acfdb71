"""The supervisor as a process of its own: starting it, waiting for it, ending it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

from wakeline_embedded import processes
from wakeline_embedded.child import tail
from wakeline_embedded.layout import Layout
from wakeline_embedded.state import Phase, StackState
from wakeline_embedded.survivors import end_survivors

_PATIENCE: Final = 300.0
"""Seconds to wait for a supervisor that still says it is at work."""


class StackError(Exception):
    """The stack could not be brought up or taken down."""

    code = "stack-error"


def start(layout: Layout) -> subprocess.Popen[bytes]:
    """Start a supervisor that outlives this process."""
    with layout.log("supervisor").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "wakeline_embedded", str(layout.root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def wait_until_up(
    layout: Layout,
    started: subprocess.Popen[bytes] | None = None,
    tell: Callable[[StackState], None] = lambda state: None,
) -> StackState:
    """Wait until a stack is up. ``started`` is its supervisor, if this process started it.

    ``tell`` hears of the state now and then.

    Raises
    ------
    StackError
        If it does not come up, saying why.
    """
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        ended = started is not None and started.poll() is not None
        state = StackState.load(layout)
        is_its = state is not None and (started is None or state.supervisor.pid == started.pid)
        if state is not None and is_its:
            tell(state)
            if state.phase is Phase.UP:
                return state
            if state.phase is Phase.FAILED:
                if started is not None:
                    started.wait()  # so that nothing is left when the caller hears of it
                raise StackError(state.message)
            ended = ended or not state.supervised
        elif ended and state is not None and state.supervised:
            started = None  # another `up` was faster: its stack is as good as ours
            continue
        if ended:
            raise StackError(f"the supervisor ended:\n{tail(layout.log('supervisor'))}")
        time.sleep(0.05)
    raise StackError(f"the stack is not up after {_PATIENCE:.0f} s; see {layout.logs}")


def wait_while_stopping(layout: Layout) -> StackState | None:
    """The folder's state, once nobody is taking its stack down any more."""
    while (state := StackState.load(layout)) is not None:
        if not (state.phase is Phase.STOPPING and state.supervised):
            break
        time.sleep(0.05)
    return state


def stop(layout: Layout) -> bool:
    """Take a stack down and wait until it is; returns whether one was running.

    Raises
    ------
    StackError
        If the supervisor does not end.
    """
    state = StackState.load(layout)
    if state is None:
        return False
    if not state.supervised:
        return bool(asyncio.run(end_survivors(layout)))
    os.kill(state.supervisor.pid, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE
    while processes.is_alive(state.supervisor):
        if time.monotonic() > deadline:
            raise StackError(f"the supervisor (pid {state.supervisor.pid}) does not end")
        time.sleep(0.02)
    return True
