"""The pytest plugin: one stack a test run, one scope a test, what takes long first."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from wakeline_testing import stack as servers
from wakeline_testing.scope import Scope
from wakeline_testing.stack import KafkaAddress, MongoAddress, S3Address, Stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that are marked ``long``: begun last, they would be waited for."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KafkaAddress]:
    """The Kafka of this test run."""
    async with servers.kafka(tmp_path_factory.mktemp("kafka")) as address:
        yield address


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MongoAddress]:
    """The MongoDB of this test run."""
    async with servers.mongo(tmp_path_factory.mktemp("mongo")) as address:
        yield address


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def s3_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[S3Address]:
    """The object store of this test run."""
    async with servers.s3(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture(scope="session")
def stack(kafka_server: KafkaAddress, mongo_server: MongoAddress, s3_server: S3Address) -> Stack:
    """All three servers of this test run."""
    return Stack(kafka_server, mongo_server, s3_server)


@pytest_asyncio.fixture(loop_scope="session")
async def scope(stack: Stack) -> AsyncIterator[Scope]:
    """A corner of the stack that no other test sees, emptied afterwards."""
    async with Scope.opened(stack) as opened:
        yield opened
