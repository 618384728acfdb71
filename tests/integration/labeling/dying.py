"""Submits that die: a process whose children each submit several leases at once, until SIGKILL.

A line of standard input says what a child submits and behind which of its commands to MongoDB it
kills itself; a line of standard output says what it had acknowledged by then. Whatever line of
code a kill falls on, the database is as it was after one command and before the next: so all
kills that there can be are these.
"""

import asyncio
import os
import signal
import sys
import traceback
from typing import Any

import httpx
import orjson
from pymongo import monitoring

from wakeline_labeling.settings import Settings
from wakeline_labeling.wiring import service
from wakeline_process.processes import Kind, open_process


class Killer(monitoring.CommandListener):
    """Ends the process once so many commands have had their effect."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.armed = False

    def started(self, event: monitoring.CommandStartedEvent) -> None: ...

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        self.count()

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        self.count()

    def count(self) -> None:
        self.left -= self.armed
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def submit(token: str, submits: dict[str, Any], killer: Killer, out: int) -> None:
    """Submit all leases at once; each acknowledged label is written down at once."""
    async with (
        open_process(service(Settings()), Kind.SERVE) as process,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=process.app),
            base_url="http://service",
            headers={"Authorization": f"Bearer {token}"},
        ) as client,
    ):

        async def one(lease_id: str, body: Any) -> None:
            answer = await client.post(f"/v1/leases/{lease_id}/submit", json=body)
            assert answer.status_code == 201, answer.text
            os.write(out, f"{lease_id} {answer.json()['label_id']}\n".encode())

        killer.armed = True
        await asyncio.gather(*(one(lease, body) for lease, body in submits.items()))
        killer.armed = False


def in_child(token: str, submits: dict[str, Any], after: int) -> dict[str, Any]:
    """What a child acknowledged, and whether it died of its kill."""
    into, out = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            killer = Killer(after)
            monitoring.register(killer)
            asyncio.run(submit(token, submits, killer, out))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(out)
    with os.fdopen(into) as lines:
        acknowledged = dict(line.split() for line in lines)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return {"acknowledged": acknowledged, "killed": killed, "status": status}


def main() -> None:
    """One child for each line."""
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(orjson.dumps(in_child(**orjson.loads(line))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
