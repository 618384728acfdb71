"""Keeps one program running: starts it, looks after it, starts it again."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from wakeline_embedded import ports
from wakeline_embedded.child import CannotRunError, Child
from wakeline_embedded.program import Program
from wakeline_embedded.state import Condition, ProcessRecord

CHECK_EVERY: Final = 5.0
"""Seconds between two looks at a program that is up."""
_LOOK_AGAIN: Final = 0.1
"""Seconds until the next look at one that isn't."""
_CHECK_LIMIT: Final = 5.0
_STEADY: Final = 10.0
"""A program that ran for so many seconds starts again after the shortest pause: one that is killed
now and then is wanted back, and only one that cannot even start is worth waiting for."""
_LONGEST_PAUSE: Final = 30.0


class PortTakenError(Exception):
    """Somebody else listens where a program shall."""

    code = "port-taken"


def pause_after(failures: int) -> float:
    """Seconds to wait before a program is started again: 0.5, 1, 2, 4 ... 30."""
    return min(_LONGEST_PAUSE, 0.5 * 2.0 ** (min(failures, 10) - 1))


def ending(code: int) -> str:
    """An exit code in words: "ended with 1", "was ended by SIGKILL"."""
    return f"ended with {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"


def require_free_ports(program: Program) -> None:
    """Check that nobody else has the program's ports.

    Raises
    ------
    PortTakenError
        Naming port, program and who has it.
    """
    for port in (program.port, *program.other_ports):
        if not ports.is_free(port):
            raise PortTakenError(
                f"port {port}, where {program.name} is to listen, is taken by "
                f"{ports.holder(port)}: end that, or move the stack with `wakeline up --port FIRST`"
            )


class Keeper:
    """One program and its current process. ``record`` is always what is known of it."""

    def __init__(self, program: Program, *, is_service: bool, changed: Callable[[], None]) -> None:
        """``changed`` is called after each change of ``record``."""
        self.program = program
        self.record = ProcessRecord(program.name, is_service, program.port)
        self.failures = 0
        """Times in a row that it did not run long."""
        self._changed = changed
        self._child: Child | None = None
        self._movement = asyncio.Event()

    async def keep(self) -> None:
        """Run the program until cancelled; the last process then still runs, see ``stop``."""
        while True:
            began = time.monotonic()
            try:
                detail = await self._run_once()
            except (CannotRunError, PortTakenError) as error:
                detail = str(error)
            if time.monotonic() - began > _STEADY:
                self.failures = 0
            self.failures += 1
            self._note(Condition.BACKING_OFF, detail, restarts=self.record.restarts + 1)
            await asyncio.sleep(pause_after(self.failures))

    async def stop(self) -> None:
        """End the program, after its keeping was cancelled."""
        if self._child is not None:
            await self._child.stop(self.program.grace)
        self._note(Condition.STOPPED)

    async def settled(self) -> bool:
        """Wait until it is up (True), or has failed for the second time in a row (False)."""
        while True:
            if self.record.condition is Condition.UP:
                return True
            if self.failures >= 2:
                return False
            self._movement.clear()
            await self._movement.wait()

    def last_words(self) -> str:
        """The end of its log, if it has run."""
        return self._child.last_words() if self._child is not None else ""

    async def _run_once(self) -> str:
        require_free_ports(self.program)
        self._child = child = self.program.spawn()
        self._note(Condition.STARTING)
        ended = asyncio.create_task(child.wait())
        try:
            while not ended.done():
                looking = asyncio.create_task(self._look())
                await asyncio.wait({ended, looking}, return_when=asyncio.FIRST_COMPLETED)
                if not looking.done():
                    looking.cancel()
                is_up = self.record.condition is Condition.UP
                await asyncio.wait({ended}, timeout=CHECK_EVERY if is_up else _LOOK_AGAIN)
            return f"{ending(ended.result())}; {self.program.log}"
        finally:
            ended.cancel()

    async def _look(self) -> None:
        starting = self.record.condition is Condition.STARTING
        check = (self.program.make_ready if starting else None) or self.program.check
        try:
            await asyncio.wait_for(check(), _CHECK_LIMIT)
        except TimeoutError:
            trouble = f"no answer within {_CHECK_LIMIT:.0f} s"
        except Exception as error:  # whatever it is, it is why the program does not work
            trouble = f"{type(error).__name__}: {error}"
        else:
            self._note(Condition.UP)
            return
        self._note(Condition.STARTING if starting else Condition.NOT_READY, trouble)

    def _note(self, condition: Condition, detail: str = "", restarts: int | None = None) -> None:
        child = self._child
        running = child is not None and child.exit_code is None
        noted = replace(
            self.record,
            condition=condition,
            detail=detail,
            process=child.identity if child is not None and running else None,
            restarts=self.record.restarts if restarts is None else restarts,
        )
        if noted != self.record:
            self.record = noted
            self._movement.set()
            self._changed()
