"""A service as a process of its own, so that a test can kill it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import httpx
import orjson
from pydantic import SecretStr
from pymongo.read_concern import ReadConcern

from wakeline_process.processes import Kind
from wakeline_process.service import Service
from wakeline_storage import connect


@asynccontextmanager
async def own_process(
    service: Service[Any, Any], kind: Kind
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a service with its settings as its own process, which answers; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"wakeline_{service.name}", kind.value),
        env=os.environ | environment_of(service),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _answering(f"http://127.0.0.1:{service.settings.http.port}/health/live", process)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def end_transactions(service: Service[Any, Any]) -> None:
    """End what killed processes of a service left open, in place of waiting until MongoDB does.

    Until then their documents stay locked, for up to one and a half times the life of a
    transaction: 22 s here, and after 20 s a write that waits for them fails. The processes are
    known by the name in their DSN (``Scope.mongo_of``), which no living one may share.
    """
    async with connect(service.settings.mongo) as client:
        name = client.options.pool_options.appname
        assert name is not None
        admin = client.get_database("admin", read_concern=ReadConcern("local"))
        open_ones: list[dict[str, Any]] = [
            {"$currentOp": {"allUsers": True, "idleSessions": True}},
            {"$match": {"appName": name, "transaction": {"$exists": True}}},
        ]
        while rows := await (await admin.aggregate(open_ones)).to_list():
            sessions = [{"id": row["lsid"]["id"]} for row in rows]
            await admin.command({"killSessions": sessions})


async def _answering(url: str, process: asyncio.subprocess.Process) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(180):
        while True:
            assert process.returncode is None, f"it ended with {process.returncode}"
            with suppress(httpx.TransportError):
                await client.get(url)
                return
            await asyncio.sleep(0.05)


def environment_of(service: Service[Any, Any]) -> dict[str, str]:
    """The variables from which a process of its own reads the settings of this service."""
    values = orjson.loads(orjson.dumps(service.settings.model_dump(), default=_plain))
    return {
        f"WAKELINE_{service.name.upper()}_{name.upper()}": value
        if isinstance(value, str)
        else orjson.dumps(value).decode()
        for name, value in values.items()
        if value is not None
    }


def _plain(value: Any) -> Any:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case timedelta():
            return f"PT{value.total_seconds()}S"
        case _:
            return str(value)
