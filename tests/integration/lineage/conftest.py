"""The lineage service, running on real servers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest_asyncio

from wakeline_blobs import Blobs
from wakeline_lineage.settings import Settings
from wakeline_lineage.wiring import service
from wakeline_messaging import Envelope
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, RunningService, running, settings_of

from . import loop


@dataclass
class Witness:
    """The running service, and what a test asks it."""

    service: RunningService
    publisher: Publisher

    async def get(self, path: str, role: str = "auditor", **params: Any) -> Any:
        """What a route answers."""
        async with self.service.client(role) as client:
            answer = await client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, path: str, **params: Any) -> tuple[int, dict[str, Any]]:
        """How a route refuses."""
        async with self.service.client("auditor") as client:
            answer = await client.get(path, params=params)
        return answer.status_code, answer.json()

    async def told(self) -> list[Envelope]:
        """Let one turn of the loop be published, and taken in."""
        async with Blobs(self.service.scope.blobs()) as blobs:
            await blobs.put("datasets", f"{loop.VERSION}/manifest.jsonl", loop.manifest())
        envelopes = [self.publisher.envelope(event) for event in loop.turn()]
        await self.publisher.send(*envelopes)
        await self.service.settled()
        return envelopes


@pytest_asyncio.fixture(loop_scope="session")
async def witness(scope: Scope) -> AsyncIterator[Witness]:
    """A lineage service with nothing in it."""
    settings = settings_of(scope, "lineage", Settings)
    async with running(service(settings), scope) as process:
        yield Witness(process, Publisher(scope))
