"""The service as uploads in parts and archives need it; other files set it up for themselves."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.ingest.sending import SET, settings
from wakeline_ingest.wiring import service
from wakeline_testing import Scope
from wakeline_testing.running import RunningService, running


@pytest.fixture
async def ingest(scope: Scope) -> AsyncIterator[RunningService]:
    async with running(service(settings(scope)), scope) as process:
        yield process


@pytest.fixture
async def client(ingest: RunningService) -> AsyncIterator[httpx.AsyncClient]:
    async with ingest.client("engineer") as opened:
        await opened.put(SET, json={})
        yield opened
