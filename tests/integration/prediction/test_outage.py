"""A store that is away pauses predictions and fails none of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from wakeline_prediction.wiring import service
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, running

from .kit import THRESHOLD, answers, completed, configured, ingest, opened, settings

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


class Road:
    """The only way to the store; it can be closed."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._to)
        self._open |= {writer, back}
        await asyncio.gather(_copy(reader, back), _copy(there, writer))
        self._open -= {writer, back}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # what a closed road looks like
    finally:
        writer.close()


@pytest_asyncio.fixture(loop_scope="session")
async def road(stocked: Scope) -> AsyncIterator[Road]:
    host, _, port = stocked.blobs("prediction").endpoint.partition(":")
    road = Road(host, int(port))
    await road.open()
    yield road
    await road.close()


async def test_an_outage_of_the_store_pauses_and_fails_nothing(stocked: Scope, road: Road) -> None:
    shown = await ingest(stocked, "a")
    way = stocked.blobs("prediction").model_copy(update={"endpoint": f"127.0.0.1:{road.port}"})
    async with running(service(settings(stocked, blobs=way)), stocked) as prediction:
        await road.close()
        await Publisher(stocked).publish(configured(THRESHOLD), opened(shown))
        await asyncio.sleep(4)
        ready = await prediction.client("admin").get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["checks"]["blobs"]
        assert await answers(stocked) == []
        job = await prediction.database["jobs"].find_one({"kind": "predict"})
        assert (job["state"], job["attempt"]) == ("running", 1)
        await road.open()
        await prediction.settled()
    (said,) = await completed(stocked)
    assert said.shapes.count == 3
