"""Runs a stack in this process, from its folder alone."""

from __future__ import annotations

import asyncio
import signal
import time

from wakeline_embedded import access, processes, services
from wakeline_embedded.child import CannotRunError
from wakeline_embedded.layout import Layout, Options, Ports
from wakeline_embedded.plan import plan
from wakeline_embedded.ports import HOST
from wakeline_embedded.state import Phase, StackState, sole_supervisor
from wakeline_embedded.supervisor import Supervisor


def supervise(layout: Layout) -> bool:
    """Run the stack of a folder, with its remembered options, until SIGTERM or SIGINT.

    Returns whether it came up; why it did not is in the folder's state.

    Raises
    ------
    AlreadyRunningError
        If another supervisor holds the folder.
    """
    with sole_supervisor(layout):
        try:
            return asyncio.run(_run(layout))
        except (CannotRunError, ValueError) as error:
            failed = StackState(
                processes.this_process(), Phase.FAILED, time.time(), message=str(error)
            )
            failed.save(layout)
            return False


async def _run(layout: Layout) -> bool:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ports = Ports.kept(layout)
    supervisor = Supervisor(layout, plan(layout, Options.load(layout), ports))
    access.prepare_issuer(layout)
    for service in services.installed()[:1]:  # any of them knows where the others are
        access.write_client(layout, f"http://{HOST}:{ports.process(service, 'serve')}")
    return await supervisor.run(stop)
