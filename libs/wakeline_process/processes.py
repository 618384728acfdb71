"""The kinds of process a service can run as, and how one lives and ends."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import structlog
import uvicorn
from fastapi import FastAPI
from pymongo.errors import PyMongoError

from wakeline_auth import Verifier
from wakeline_events.registry import PRODUCERS
from wakeline_http import create_app, readiness_of
from wakeline_messaging import (
    EventConsumer,
    JobRunner,
    JobSettledError,
    NoSuchEventError,
    NoSuchJobError,
    NoSuchOperationError,
    NotAnEventError,
    NotNextError,
    Processor,
    Relay,
    TopicNotConsumedError,
)
from wakeline_process.backlog import BacklogError
from wakeline_process.commands import IdempotencyKeyReusedError
from wakeline_process.kafka_probe import KafkaProbe
from wakeline_process.lines import TooManyRefusedError
from wakeline_process.loop import calm_collector
from wakeline_process.measuring import measure
from wakeline_process.operations import operations_router
from wakeline_process.republishing import NoStateError
from wakeline_process.runtime import Runtime, open_runtime
from wakeline_process.service import Service
from wakeline_process.standing import Standings
from wakeline_process.watching import watch_client
from wakeline_storage import DatabaseIsNewerError, version_of

log = structlog.get_logger()

CLOSING: Final = 10.0
"""Seconds that connections have to close when all work has ended."""


class Kind(StrEnum):
    """What a process does; ``all`` does everything, as the embedded stack runs it."""

    SERVE = "serve"
    CONSUME = "consume"
    RELAY = "relay"
    RUN = "run"
    ALL = "all"

    def does(self, part: "Kind") -> bool:
        """Whether a process of this kind does that part."""
        return self in (part, Kind.ALL)


@dataclass
class Process:
    """One process of a service while it runs."""

    runtime: Runtime
    app: FastAPI
    stop: asyncio.Event
    parts: list[Callable[[asyncio.Event], Coroutine[Any, Any, None]]] = field(default_factory=list)

    async def run_parts(self) -> None:
        """Run everything but HTTP until told to stop."""
        async with asyncio.TaskGroup() as group:
            for part in self.parts:
                group.create_task(part(self.stop))


@asynccontextmanager
async def open_process(service: Service[Any, Any], kind: Kind) -> AsyncIterator[Process]:
    """Connect a process and build its parts; nothing runs yet.

    Raises
    ------
    DatabaseIsNewerError
        If the database stands at a version that this release does not know.
    """
    async with open_runtime(service) as runtime:
        await require_version(runtime)
        settings = service.settings
        probe = KafkaProbe(settings.kafka)
        checks: dict[str, Callable[[], Awaitable[object]]] = {"mongo": runtime.check_mongo}
        # Who only answers requests does so while Kafka is away: what is to be sent waits.
        if kind is not Kind.SERVE:
            checks["kafka"] = probe.check
        if service.checks is not None:
            checks |= service.checks(runtime.resources)
        process = Process(runtime, _app(service, kind, checks), asyncio.Event())
        process.app.state.runtime = runtime
        standings = process.app.state.standings = Standings(service)
        process.parts.append(lambda stop: measure(runtime, readiness_of(checks), stop))
        process.parts.append(lambda stop: watch_client(runtime, stop))
        if kind.does(Kind.RELAY) and service.name in PRODUCERS:
            # As one process of all kinds it is the only one that writes to its outbox; another one
            # of them is heard after a second.
            bell = runtime.bell if kind is Kind.ALL else None
            relay = Relay(runtime.database, service.name, settings.kafka, bell)
            checks["relay"] = _trouble(relay)
            process.parts.append(relay.run)
        if kind.does(Kind.CONSUME) and service.handlers is not None:
            consumer = EventConsumer(
                runtime.database,
                settings.kafka,
                service.name,
                service.handlers.topics(settings.kafka.topic_prefix),
                Processor(service.handlers, runtime.stores),
            )
            checks["consumer"] = _trouble(consumer)
            process.parts.append(consumer.run)
        if kind.does(Kind.RUN) and service.jobs is not None:
            runner = JobRunner(runtime.database, service.jobs, runtime.stores, runtime.resources)
            process.parts.append(runner.run)
        try:
            yield process
        finally:
            await probe.close()
            await standings.close()


async def run(service: Service[Any, Any], kind: Kind) -> None:
    """Run a process until SIGTERM or SIGINT: it finishes what is in hand and ends."""
    async with open_process(service, kind) as process:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, process.stop.set)
        http = service.settings.http
        server = _Server(
            uvicorn.Config(
                process.app,
                host=http.host,
                port=http.port,
                ws="none",  # nothing here speaks it, and looking for it costs memory
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=10,
                server_header=False,
            )
        )
        calm_collector()
        log.info("started", kind=kind.value, port=http.port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(process.run_parts())
                group.create_task(server.serve_until(process.stop))
        finally:
            close_in_time()
        log.info("stopped", kind=kind.value)


def close_in_time() -> None:
    """End this process in ``CLOSING`` seconds if it has not ended by then.

    Nothing is in hand any more. A connection that does not close must not keep it from being
    started again, and only its end tells the supervisor or the kubelet to do so.
    """
    asyncio.get_running_loop().call_later(CLOSING, _leave)


def _leave() -> None:
    log.critical("ended without closing its connections", after=CLOSING)
    os._exit(1)


async def require_version(runtime: Runtime) -> None:
    """Wait until the database is of this release; for a store that is away as well.

    Raises
    ------
    DatabaseIsNewerError
        If a newer release has migrated it: this one would misread what that one writes.
    """
    name = runtime.service.name
    newest = max((m.version for m in runtime.service.migrations), default=0)
    while True:
        try:
            version = await version_of(runtime.database)
            if version == newest:
                return
            log.warning("waiting for `migrate`", service=name, version=version, needed=newest)
        except PyMongoError as error:
            version = 0
            log.warning("waiting for MongoDB", cause=f"{type(error).__name__}: {error}")
        if version > newest:
            raise DatabaseIsNewerError(
                f"the database of {name} is at version {version}, this release knows "
                f"{newest}: start the release that migrated it"
            )
        await asyncio.sleep(1.0)


PROBLEMS: Mapping[type[Exception], int] = {
    IdempotencyKeyReusedError: 422,
    BacklogError: 429,
    TooManyRefusedError: 422,
    NoSuchEventError: 404,
    NotAnEventError: 409,
    NotNextError: 409,
    NoSuchJobError: 404,
    NoSuchOperationError: 404,
    JobSettledError: 409,
    TopicNotConsumedError: 422,
    NoStateError: 422,
}
"""What every service may refuse, whatever it is for."""


def _app(
    service: Service[Any, Any],
    kind: Kind,
    checks: Mapping[str, Callable[[], Awaitable[object]]],
) -> FastAPI:
    async def readiness() -> Mapping[str, str | None]:
        return await readiness_of(checks)()

    routers = [*service.routers, operations_router(service.name)] if kind.does(Kind.SERVE) else []
    return create_app(
        service.name,
        routers=routers,
        problems={**service.problems, **PROBLEMS},
        verifier=Verifier(service.settings.auth),
        readiness=readiness,
        services=service.settings.services,
    )


def _trouble(part: Any) -> Callable[[], Awaitable[object]]:
    async def check() -> object:
        return part.trouble

    return check


class _Server(uvicorn.Server):
    """A uvicorn server whose end is decided by the process, not by its own signal handlers."""

    async def serve_until(self, stop: asyncio.Event) -> None:
        serving = asyncio.create_task(self._serve())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        self.should_exit = True
        stopping.cancel()
        await serving
        # A server that ends by itself (its port is taken, say) ends the process with it.
        if not stop.is_set():
            stop.set()
            raise RuntimeError(f"no HTTP server on port {self.config.port}: is it taken?")
