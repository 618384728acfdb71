"""Runs a stack in this process, from its folder alone."""

from __future__ import annotations

import asyncio
import signal
import time

from wakeline_embedded import access, processes, services
from wakeline_embedded.child import CannotRunError
from wakeline_embedded.layout import Layout, Options, Ports
from wakeline_embedded.plan import plan
from wakeline_embedded.state import Phase, StackState
from wakeline_embedded.supervisor import Supervisor


def supervise(layout: Layout) -> bool:
    """Run the stack of a folder, with its remembered options, until SIGTERM or SIGINT.

    Returns whether it came up. Why it did not is in the folder's state.
    """

    async def run() -> bool:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        ports = Ports.kept(layout)
        access.prepare_issuer(layout)
        try:
            planned = plan(layout, Options.load(layout), ports)
        except (CannotRunError, ValueError) as error:
            me = processes.this_process()
            StackState(me, Phase.FAILED, time.time(), message=str(error)).save(layout)
            return False
        for service in services.installed()[:1]:  # any of them knows where the others are
            access.write_client(layout, f"http://127.0.0.1:{ports.process(service, 'serve')}")
        return await Supervisor(layout, planned).run(stop)

    return asyncio.run(run())
