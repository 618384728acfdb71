"""All services on real sockets, and the command line as a process of its own."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from wakeline_auth import Role
from wakeline_embedded import ports
from wakeline_embedded.ports import HOST
from wakeline_ingest.settings import UploadSettings
from wakeline_sdk import AsyncClient, Client
from wakeline_testing import Scope
from wakeline_testing.running import ISSUER, SERVICES, RunningService, running, settings_of, settled
from wakeline_training.settings import TrainerSettings

R = TypeVar("R")
TRAINER = Path(__file__).parents[1] / "training" / "customer_trainer.py"
COMMAND_LINE = Path(__file__).with_name("command_line.py")


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
    shell: asyncio.subprocess.Process
    services: dict[str, RunningService] = field(default_factory=dict)
    commands: Iterator[int] = field(default_factory=count)

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
        """Run a command in a process of its own."""
        token = self.token(role, f"p-{role}")
        env = {"WAKELINE_URL": self.url, "WAKELINE_TOKEN": token, "COLUMNS": "200"}
        told: dict[str, Any] = {"words": [str(word) for word in words], "typed": typed, "env": env}
        number = told["number"] = next(self.commands)
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.write(json.dumps(told).encode() + b"\n")
        answer: dict[str, Any] = {}
        # A command that a test gave up on is answered too, and later.
        while answer.get("number") != number:
            answer = json.loads(await asyncio.wait_for(self.shell.stdout.readline(), 120))
        said = Said(**answer["said"])
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
async def started(
    scope: Scope, trainer: Sequence[str] = (sys.executable, str(TRAINER))
) -> AsyncIterator[Platform]:
    """Start all services and let them be asked over HTTP."""
    first = ports.free_block(len(SERVICES))
    urls = {str(name): f"http://{HOST}:{port}" for port, name in enumerate(SERVICES, first)}
    async with AsyncExitStack() as stack:
        platform = Platform(urls, await stack.enter_async_context(_shell()))
        for port, name in enumerate(SERVICES, first):
            settings = import_module(f"wakeline_{name}.settings").Settings
            own: dict[str, Any] = {"services": urls}
            if name == "ingest":
                own["source_buckets"] = (f"{scope.name}-source-*",)
                own["uploads"] = UploadSettings(part_bytes=20_000)
            if name == "training":
                own["trainer"] = TrainerSettings(command=tuple(trainer), nice=0)
            build = import_module(f"wakeline_{name}.wiring").service
            service = build(settings_of(scope, name, settings, **own))
            process = await stack.enter_async_context(running(service, scope))
            platform.services[name] = process
            await stack.enter_async_context(_listening(process, port))
        yield platform


@asynccontextmanager
async def _shell() -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    shell = await asyncio.create_subprocess_exec(
        sys.executable, str(COMMAND_LINE), stdin=pipe, stdout=pipe, limit=1 << 26
    )
    try:
        yield shell
    finally:
        assert shell.stdin is not None
        shell.stdin.close()
        await shell.wait()


@asynccontextmanager
async def _listening(service: RunningService, port: int) -> AsyncIterator[None]:
    app = service.process.app
    server = uvicorn.Server(
        uvicorn.Config(app, host=HOST, port=port, log_config=None, access_log=False)
    )
    # Not `serve`, which would take the test run's signal handlers.
    serving = asyncio.create_task(server._serve())
    while not server.started:
        assert not serving.done(), f"port {port} was taken meanwhile"
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await serving
