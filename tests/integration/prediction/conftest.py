"""A prediction service on a test's own corner of the servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from wakeline_prediction.wiring import service
from wakeline_testing import Scope
from wakeline_testing.running import BUCKETS, Publisher, RunningService, running

from .kit import settings


@pytest_asyncio.fixture(loop_scope="session")
async def stocked(scope: Scope) -> Scope:
    """A scope whose buckets are there before any service runs."""
    await scope.make_buckets(*BUCKETS)
    return scope


@pytest_asyncio.fixture(loop_scope="session")
async def prediction(stocked: Scope) -> AsyncIterator[RunningService]:
    async with running(service(settings(stocked)), stocked) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def others(stocked: Scope) -> Publisher:
    """Speaks for the other services."""
    return Publisher(stocked)
