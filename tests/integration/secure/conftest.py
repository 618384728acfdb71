"""Stores with TLS and a user a service, provided once for all tests that need them."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from wakeline_testing import Scope, Stack

from .stores import SecureStores, given_kafka, provided


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def stores(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SecureStores]:
    given_kafka()  # before anything is started
    folder = tmp_path_factory.mktemp("secure")
    async with Scope.opened(stack) as scope, provided(scope, folder) as found:
        yield found
