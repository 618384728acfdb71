"""Whether Kafka answers, asked by a connection of its own."""

import asyncio

from aiokafka.client import AIOKafkaClient

from wakeline_messaging.kafka import KafkaSettings
from wakeline_messaging.refusals import connect


class KafkaProbe:
    """Asks the cluster for its metadata; the consumer and the relay retry in silence."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._client: AIOKafkaClient | None = None
        self._lock = asyncio.Lock()

    async def check(self) -> None:
        """Raises, or hangs, when no broker answers."""
        async with self._lock:
            if self._client is None:
                self._client = await connect(self._settings)
            if not await self._client.force_metadata_update():
                raise ConnectionError("no Kafka broker answers")

    async def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            await self._client.close()
