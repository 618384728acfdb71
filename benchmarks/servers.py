"""The servers that a benchmark and its yardstick share, and a service's settings on them."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from wakeline_messaging import create_indexes
from wakeline_process.runtime import Runtime, open_runtime
from wakeline_process.service import Service
from wakeline_storage import migrate
from wakeline_testing import Scope, stack
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
async def migrated(service: Service) -> AsyncIterator[Runtime]:  # type: ignore[type-arg]
    """A service's connections, with its database ready."""
    async with open_runtime(service) as runtime:
        await create_indexes(runtime.database)
        await migrate(runtime.database, service.migrations)
        yield runtime
