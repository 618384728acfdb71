"""All five services on real sockets, and the command line as a process of its own."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn

from wakeline_auth import Role
from wakeline_embedded import ports
from wakeline_sdk import AsyncClient, Client
from wakeline_testing import Scope
from wakeline_testing.running import ISSUER, SERVICES, RunningService, running, settings_of, settled
from wakeline_training.settings import TrainerSettings

R = TypeVar("R")
TRAINER = Path(__file__).parents[1] / "training" / "customer_trainer.py"
COMMAND_LINE = (sys.executable, "-c", "from wakeline_sdk.cli.app import main; main()")


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The answer of a command that was given --json."""
        return json.loads(self.out)


@dataclass
class Platform:
    """The platform as its users see it: a URL and tokens."""

    urls: dict[str, str]
    services: dict[str, RunningService] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """One service's: the SDK finds the others by it."""
        return self.urls["labeling"]

    def token(self, role: str, person: str, team: str | None = None) -> str:
        """What an identity provider would issue."""
        return ISSUER.mint(person, {Role(role)}, team)

    def client(self, role: str, person: str, team: str | None = None) -> AsyncClient:
        """The asynchronous client of a person."""
        return AsyncClient(self.url, self.token(role, person, team))

    async def sync(
        self, work: Callable[[Client], R], role: str, person: str, team: str | None = None
    ) -> R:
        """Work with the synchronous client of a person, beside the loop that serves it."""
        token = self.token(role, person, team)

        def done() -> R:
            with Client(self.url, token) as client:
                return work(client)

        return await asyncio.to_thread(done)

    async def command(self, *words: str | Path, role: str = "admin", typed: str = "") -> Said:
        """Run the command line as its user does."""
        env = {**os.environ, "WAKELINE_URL": self.url, "COLUMNS": "200"}
        process = await asyncio.create_subprocess_exec(
            *COMMAND_LINE,
            *map(str, words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**env, "WAKELINE_TOKEN": self.token(role, f"p-{role}")},
        )
        out, err = await asyncio.wait_for(process.communicate(typed.encode()), 60)
        said = Said(process.returncode or 0, out.decode(), err.decode())
        assert "Traceback" not in said.err, said.err
        return said

    async def done(self, *words: str | Path, **more: Any) -> Said:
        """Run a command that succeeds."""
        said = await self.command(*words, **more)
        assert said.code == 0, (words, said)
        return said

    async def settled(self) -> None:
        """Wait until nothing moves anywhere."""
        await settled(*self.services.values(), limit=60)


@asynccontextmanager
async def started(scope: Scope) -> AsyncIterator[Platform]:
    """Start all services and let them be asked over HTTP."""
    first = ports.free_block(len(SERVICES))
    sockets: dict[str, socket.socket] = {
        name: socket.create_server(("127.0.0.1", port)) for port, name in enumerate(SERVICES, first)
    }
    urls = {name: f"http://127.0.0.1:{one.getsockname()[1]}" for name, one in sockets.items()}
    platform = Platform(urls)
    async with AsyncExitStack() as stack:
        for name, listening in sockets.items():
            settings = import_module(f"wakeline_{name}.settings").Settings
            own: dict[str, Any] = {"services": urls}
            if name == "training":
                own["trainer"] = TrainerSettings(command=(sys.executable, str(TRAINER)))
            build = import_module(f"wakeline_{name}.wiring").service
            service = build(settings_of(scope, name, settings, **own))
            process = await stack.enter_async_context(running(service, scope))
            platform.services[name] = process
            await stack.enter_async_context(_listening(process, listening))
        yield platform


@asynccontextmanager
async def _listening(service: RunningService, on: socket.socket) -> AsyncIterator[None]:
    server = uvicorn.Server(
        uvicorn.Config(service.process.app, log_config=None, access_log=False, lifespan="off")
    )
    # Not `serve`, which would take the test run's signal handlers.
    serving = asyncio.create_task(server._serve(sockets=[on]))
    url = f"http://127.0.0.1:{on.getsockname()[1]}/health/live"
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code == 200
    try:
        yield
    finally:
        server.should_exit = True
        await serving
