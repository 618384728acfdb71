"""The servers that a benchmark and its yardstick share, and a service's settings on them."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from wakeline_embedded import ports
from wakeline_messaging import create_indexes
from wakeline_process.processes import Kind
from wakeline_process.runtime import Runtime, open_runtime
from wakeline_process.service import Service
from wakeline_storage import migrate
from wakeline_testing import Scope, stack
from wakeline_testing.own_process import environment_of
from wakeline_testing.running import BUCKETS, SERVICES
from wakeline_testing.stack import Stack


@asynccontextmanager
async def servers() -> AsyncIterator[Scope]:
    """Kafka, MongoDB and an object store with the platform's topics and buckets.

    They are started here, unless ``WAKELINE_TEST_KAFKA``, ``..._MONGO`` or ``..._S3`` name others.
    """
    async with AsyncExitStack() as started:
        folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="wakeline-bench-")))
        there = Stack(
            await started.enter_async_context(stack.kafka(folder)),
            await started.enter_async_context(stack.mongo(folder)),
            await started.enter_async_context(stack.s3(folder)),
        )
        scope = await started.enter_async_context(Scope.opened(there))
        await scope.make_topics(*SERVICES)
        await scope.make_buckets(*BUCKETS)
        yield scope


@asynccontextmanager
async def migrated(service: Service[Any, Any]) -> AsyncIterator[Runtime]:
    """A service's connections, with its database ready."""
    async with open_runtime(service) as runtime:
        await create_indexes(runtime.database)
        await migrate(runtime.database, service.migrations)
        yield runtime


@asynccontextmanager
async def process(service: Service[Any, Any], kind: Kind) -> AsyncIterator[str]:
    """Run a service as its own process, as a cluster does; yields its base URL.

    Its ``settings`` name the port. The process ends with the block.
    """
    async with process_of(service, kind):
        yield f"http://127.0.0.1:{service.settings.http.port}"


@asynccontextmanager
async def process_of(service: Service[Any, Any], kind: Kind) -> AsyncIterator[int]:
    """Run a service as `process` does; yields its process id."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"wakeline_{service.name}", kind.value),
        env=os.environ | environment_of(service),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await answering(f"http://127.0.0.1:{service.settings.http.port}/health/ready", running)
        yield running.pid
    finally:
        if running.returncode is None:
            running.terminate()
            await running.wait()


@asynccontextmanager
async def bare(dsn: str) -> AsyncIterator[str]:
    """Run the bare endpoints on a mongod; yields their base URL."""
    port = ports.free_port()
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.bare"),
        env={**os.environ, "BARE_DSN": dsn, "BARE_PORT": str(port)},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        await answering(url, running)
        yield url
    finally:
        running.terminate()
        await running.wait()


async def answering(url: str, running: asyncio.subprocess.Process) -> None:
    """Wait until a process answers.

    Raises
    ------
    RuntimeError
        If it has ended instead.
    """
    async with httpx.AsyncClient() as client, asyncio.timeout(180):
        while True:
            if running.returncode is not None:
                raise RuntimeError(f"the process for {url} ended with {running.returncode}")
            with suppress(httpx.TransportError):
                if (await client.get(url)).status_code < 500:
                    return
            await asyncio.sleep(0.1)
