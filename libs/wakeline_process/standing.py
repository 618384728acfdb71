"""How far a service's consumers are in Kafka, all replicas together; asked of the broker."""

import asyncio
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from wakeline_events.registry import PRODUCERS, topic_of
from wakeline_messaging.kafka import client_options
from wakeline_process.service import Service

PATIENCE = 3.0
"""Seconds after which a broker counts as away."""


@dataclass(frozen=True)
class Standing:
    """Counts of events, over all partitions."""

    lag: dict[str, int]
    """Topic -> events that no replica has taken in yet."""
    taken_in: int
    """Sum of the group's offsets: the difference over a time is the throughput."""
    published: int
    """Sum of the ends of the service's own topic, likewise."""


class Standings:
    """Asks for one service; connects on the first question, and anew after trouble."""

    def __init__(self, service: Service) -> None:  # type: ignore[type-arg]
        kafka = service.settings.kafka
        self._kafka = kafka
        self._group = f"{kafka.topic_prefix}.{service.name}"
        self._own = (
            {topic_of(service.name, kafka.topic_prefix)} if service.name in PRODUCERS else set()
        )
        handlers = service.handlers
        self._read = handlers.topics(kafka.topic_prefix) if handlers is not None else []
        self._clients: tuple[AIOKafkaAdminClient, AIOKafkaConsumer] | None = None
        self._lock = asyncio.Lock()

    async def now(self) -> Standing | None:
        """Where things stand; None while no broker answers."""
        async with self._lock:
            try:
                async with asyncio.timeout(PATIENCE):
                    return await self._ask()
            except (KafkaError, OSError, TimeoutError):
                await self._hang_up()
                return None

    async def close(self) -> None:
        """Hang up."""
        async with self._lock:
            await self._hang_up()

    async def _ask(self) -> Standing:
        admin, reader = await self._connected()
        described = await admin.describe_topics([*{*self._read, *self._own}])
        partitions = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in described
            for partition in topic["partitions"]
        ]
        ends = await reader.end_offsets(partitions)
        committed = await admin.list_consumer_group_offsets(self._group) if self._read else {}
        lag = dict.fromkeys(self._read, 0)
        taken_in = 0
        first = [tp for tp in partitions if tp.topic in lag and tp not in committed]
        starts = await reader.beginning_offsets(first) if first else {}
        for tp, end in ends.items():
            if tp.topic in lag:
                at = committed[tp].offset if tp in committed else -1
                at = at if at >= 0 else starts.get(tp, 0)
                taken_in += at
                lag[tp.topic] += max(0, end - at)
        published = sum(end for tp, end in ends.items() if tp.topic in self._own)
        return Standing(lag, taken_in, published)

    async def _connected(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        if self._clients is None:
            options = client_options(self._kafka)
            self._clients = AIOKafkaAdminClient(**options), AIOKafkaConsumer(**options)
            for client in self._clients:
                await client.start()
        return self._clients

    async def _hang_up(self) -> None:
        clients, self._clients = self._clients, None
        if clients is not None:
            admin, reader = clients
            await admin.close()
            await reader.stop()
