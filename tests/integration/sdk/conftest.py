"""One platform for all tests of the SDK; each has datasets, teams and projects of its own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from wakeline_testing import Scope, Stack

from .services import Platform, started


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def platform(stack: Stack) -> AsyncIterator[Platform]:
    async with Scope.opened(stack) as scope, started(scope) as found:
        yield found
