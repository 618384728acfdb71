"""The pytest plugin: one stack a test run, one scope a test, what takes long in good time."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Generator
from itertools import groupby

import pytest
import pytest_asyncio

from wakeline_process import loop
from wakeline_testing import stack as servers
from wakeline_testing.scope import Scope
from wakeline_testing.stack import KafkaAddress, MongoAddress, S3Address, Stack


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the garbage collector all that tests import: it was a sixth of the SDK tests' time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        loop.calm_collector()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files that are marked ``long`` over the first two thirds of the others.

    Begun last they would be waited for, and begun together they starve one another.
    """
    files = [list(found) for _, found in groupby(items, key=lambda item: item.path)]
    long = [found for found in files if found[0].get_closest_marker("long")]
    others = [found for found in files if not found[0].get_closest_marker("long")]
    apart = max(1, len(others) * 2 // 3 // max(1, len(long)))
    for place, found in enumerate(long):
        others.insert(place * (apart + 1), found)
    items[:] = [item for found in others for item in found]


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
