"""Runs a stack: brings it up in order, keeps it up, takes it down in order."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any, Final

from wakeline_embedded import logs, processes
from wakeline_embedded.keeper import Keeper, require_free_ports
from wakeline_embedded.layout import Layout
from wakeline_embedded.plan import Plan
from wakeline_embedded.program import Program, StartError
from wakeline_embedded.state import Phase, StackState
from wakeline_embedded.survivors import end_survivors

READY_WITHIN: Final = 120.0
"""Seconds that servers, and then services, get to become ready."""
_ROTATE_EVERY: Final = 30.0


class Supervisor:
    """The one process that starts and ends all others of a stack."""

    def __init__(self, layout: Layout, plan: Plan) -> None:
        """Nothing is started yet."""
        self._layout = layout
        self._plan = plan
        self._keepers = {
            program.name: Keeper(
                program, is_service=program in plan.services, changed=self._write_down
            )
            for program in plan.programs
        }
        self._keeping: dict[str, asyncio.Task[None]] = {}
        self._state = StackState(processes.this_process(), Phase.STARTING, time.time())
        self._unwritten = False
        """The state on the disk is an older one."""

    async def run(self, stop: asyncio.Event) -> bool:
        """Run the stack until ``stop`` is set; returns whether it came up.

        The caller holds the folder, see ``sole_supervisor``.
        """
        await end_survivors(self._layout)
        self._write_down()
        stopping = asyncio.create_task(stop.wait())
        starting = asyncio.create_task(self._start())
        rotating = asyncio.create_task(self._rotate_logs())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                took = processes.age_seconds(self._state.supervisor.started)
                self._enter(Phase.UP, up_after=round(took, 2))
                await stopping
        except Exception as error:
            await self._stop()
            self._enter(Phase.FAILED, message=str(error) or repr(error))
            return False
        finally:
            for task in (starting, stopping, rotating):
                task.cancel()
        self._enter(Phase.STOPPING)
        await self._stop()
        self._enter(Phase.STOPPED)
        return True

    async def _start(self) -> None:
        for program in self._plan.programs:  # before anything runs: say all that is in the way
            require_free_ports(program)
        for server in self._plan.externals:
            try:
                await server.check()
            except Exception as error:
                raise StartError(f"{server.name} at {server.address}: {error}") from error
        await self._bring_up(self._plan.servers)
        await self._plan.provision()
        await _all(_migrate(name, migrate) for name, migrate in self._plan.migrate.items())
        await self._bring_up(self._plan.services)

    async def _bring_up(self, programs: Iterable[Program]) -> None:
        keepers = [self._keepers[program.name] for program in programs]
        for keeper in keepers:
            self._keeping[keeper.program.name] = asyncio.create_task(keeper.keep())
        await _all(_wait_for(keeper) for keeper in keepers)

    async def _stop(self) -> None:
        # services first: they finish what they have in hand while the servers still answer
        for programs in (self._plan.services, self._plan.servers):
            names = [program.name for program in programs]
            for name in names:
                if name in self._keeping:
                    self._keeping[name].cancel()
            await asyncio.gather(*(self._keepers[name].stop() for name in names))

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(_ROTATE_EVERY)
            try:
                await asyncio.to_thread(logs.rotate, self._layout.logs)
            except OSError as error:
                print(f"logs grow on: {error}", file=sys.stderr)
            if self._unwritten:
                self._write_down()

    def _enter(self, phase: Phase, *, up_after: float | None = None, message: str = "") -> None:
        up_after = self._state.up_after if up_after is None else up_after
        self._state = replace(self._state, phase=phase, up_after=up_after, message=message)
        self._write_down()

    def _write_down(self) -> None:
        records = tuple(keeper.record for keeper in self._keepers.values())
        self._state = replace(self._state, records=records)
        try:
            self._state.save(self._layout)
        except OSError as error:
            # A full disk, say: whoever is kept is kept on, and is told of as soon as there is room.
            print(f"state is not written down: {error}", file=sys.stderr)
            self._unwritten = True
        else:
            self._unwritten = False


async def _all(parts: Iterable[Coroutine[Any, Any, None]]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed  # the first one is what people need to read


async def _wait_for(keeper: Keeper) -> None:
    name = keeper.program.name
    try:
        is_up = await asyncio.wait_for(keeper.settled(), READY_WITHIN)
    except TimeoutError:
        raise StartError(
            f"{name} runs, but is not ready after {READY_WITHIN:.0f} s, perhaps as "
            f"this machine has too much else to do: {keeper.record.detail}\n{keeper.last_words()}"
        ) from None
    if not is_up:
        raise StartError(
            f"{name} does not start: {keeper.record.detail}\n"
            f"{keeper.program.advice}\n{keeper.last_words()}"
        )


async def _migrate(service: str, migrate: Callable[[], Awaitable[object]]) -> None:
    try:
        await migrate()
    except Exception as error:
        raise StartError(f"the database of {service} was not migrated: {error}") from error
