"""Making and deleting Kafka topics of any name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

PARTITIONS: Final = 6
"""As many as the platform's own topics have."""


async def create(bootstrap: str, names: Collection[str]) -> None:
    """Create topics that keep everything; those that are there already stay as they are."""
    wanted = [NewTopic(name, PARTITIONS, 1, topic_configs={"retention.ms": "-1"}) for name in names]
    async with _admin(bootstrap) as admin:
        answer = await admin.create_topics(wanted)
    for name, code, *_ in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"topic {name} could not be created")


async def delete(bootstrap: str, names: Collection[str]) -> None:
    """Delete topics with everything in them."""
    async with _admin(bootstrap) as admin:
        await admin.delete_topics(list(names))


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()
