"""Runs a service inside a test: its real routes, consumer, relay and jobs, on real servers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, get_args
from uuid import uuid4

import httpx
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from wakeline_auth import AuthSettings, Issuer, Role
from wakeline_events.base import Event, ServiceName
from wakeline_events.registry import PRODUCERS, topic_of
from wakeline_messaging import Envelope, create_indexes
from wakeline_messaging.envelope import encode, from_record, schema_of
from wakeline_messaging.kafka import KafkaSettings, producer
from wakeline_messaging.processing import Stores
from wakeline_process.processes import Kind, Process, open_process
from wakeline_process.runtime import open_runtime
from wakeline_process.service import HttpSettings, Service, ServiceSettings
from wakeline_storage import migrate
from wakeline_testing.scope import Scope

S = TypeVar("S", bound=ServiceSettings)

ISSUER = Issuer.create()
"""Mints the tokens of one test run."""
SERVICES: tuple[ServiceName, ...] = get_args(ServiceName)
BUCKETS = ("assets", "labels", "predictions", "datasets", "models")


def settings_of(scope: Scope, name: ServiceName, settings: type[S], **own: Any) -> S:
    """Settings of a service that point at a test's corner of the servers."""
    of_the_service = settings.__module__ == f"wakeline_{name}.settings"  # else a test's own
    shared: dict[str, Any] = {
        "mongo": scope.mongo_of(name) if of_the_service else scope.mongo(name),
        "kafka": KafkaSettings(bootstrap=scope.kafka_bootstrap, topic_prefix=scope.topic_prefix),
        "blobs": scope.blobs(name),
        "auth": AuthSettings(issuer=ISSUER.issuer, jwks=orjson.dumps(ISSUER.jwks()).decode()),
        "http": HttpSettings(port=1),  # never bound: requests go straight to the app
    }
    return settings(**{**shared, **own})


Offsets = Mapping[TopicPartition, int]


@dataclass
class Topics:
    """How far a scope's topics go, and how far their readers are."""

    _reader: AIOKafkaConsumer
    _admin: AIOKafkaAdminClient
    _partitions: list[TopicPartition]

    @classmethod
    @asynccontextmanager
    async def opened(cls, scope: Scope) -> AsyncIterator[Topics]:
        """Connected to the broker, for as long as they are asked."""
        names = [topic_of(producer, scope.topic_prefix) for producer in PRODUCERS]
        admin = AIOKafkaAdminClient(bootstrap_servers=scope.kafka_bootstrap)
        await admin.start()
        try:
            async with AIOKafkaConsumer(bootstrap_servers=scope.kafka_bootstrap) as reader:
                found = [TopicPartition(n, p) for n in names for p in await _partitions(reader, n)]
                yield cls(reader, admin, found)
        finally:
            await admin.close()

    async def ends(self) -> Offsets:
        """The next offset of each partition."""
        ends: Offsets = await self._reader.end_offsets(self._partitions)
        return ends

    async def lag(self, group: str, ends: Offsets) -> int:
        """How many events before these ends a group has not taken in."""
        at = await self._admin.list_consumer_group_offsets(group)
        return sum(
            max(0, end - max(0, at[tp].offset if tp in at else 0)) for tp, end in ends.items()
        )


@dataclass
class RunningService:
    """A service that runs in the test's own event loop."""

    process: Process
    scope: Scope

    @property
    def stores(self) -> Stores:
        """How to open a unit of work of the service."""
        return self.process.runtime.stores

    @property
    def database(self) -> Any:
        """The service's database."""
        return self.process.runtime.database

    def client(
        self, *roles: Role | str, person_id: str = "p-test", team_id: str | None = None
    ) -> httpx.AsyncClient:
        """An HTTP client with a token of these roles."""
        token = ISSUER.mint(person_id, {Role(role) for role in roles}, team_id)
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.process.app, raise_app_exceptions=False),
            base_url="http://service",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )

    async def settled(self, limit: float = 120.0) -> None:
        """Wait until nothing moves in this service any more."""
        await settled(self, limit=limit)

    async def backlog(self, topics: Topics, ends: Offsets) -> dict[str, int]:
        """What still has to be taken in, worked on or sent, of what is in the topics up to there.

        Read in the order in which it moves, so that what moves meanwhile is met further on.
        """
        service, found = self.process.runtime.service, {}
        if service.handlers is not None:
            prefix = self.scope.topic_prefix
            read = set(service.handlers.topics(prefix))
            found["lag"] = await topics.lag(
                f"{prefix}.{service.name}",
                {tp: end for tp, end in ends.items() if tp.topic in read},
            )
        due = {"state": "queued", "not_before": {"$lte": datetime.now(UTC)}}
        found["jobs"] = await self.database["jobs"].count_documents(
            {"$or": [{"state": "running"}, due]}
        )
        found["outbox"] = await self.database["outbox"].count_documents({})
        return {name: count for name, count in found.items() if count}


@asynccontextmanager
async def running(
    service: Service[Any, Any], scope: Scope, kind: Kind = Kind.ALL
) -> AsyncIterator[RunningService]:
    """Migrate a service's database and run all its parts but the HTTP socket."""
    await scope.make_topics(*PRODUCERS)
    await scope.make_buckets(*BUCKETS)
    async with open_runtime(service) as runtime:
        await migrate(runtime.database, service.migrations, create_indexes)
        await scope.stack.databases.note(service.name, runtime.database)
    async with open_process(service, kind) as process:
        parts = asyncio.create_task(process.run_parts())
        try:
            yield RunningService(process, scope)
            if parts.done():
                parts.result()
        finally:
            process.stop.set()
            await parts


async def settled(*services: RunningService, limit: float = 120.0) -> None:
    """Wait until nothing moves in any of these services any more.

    They are looked at one after the other, so what goes from one to the next can pass each of these
    looks by. But it goes through a topic: all were quiet at once if none grew meanwhile.

    Raises
    ------
    TimeoutError
        Naming what is still on its way.
    """
    deadline, quiet_at = time.monotonic() + limit, None
    async with Topics.opened(services[0].scope) as topics:
        while (ends := await topics.ends()) != quiet_at:
            backlogs = {
                s.process.runtime.service.name: await s.backlog(topics, ends) for s in services
            }
            moving = {name: backlog for name, backlog in backlogs.items() if backlog}
            if (moving or quiet_at) and time.monotonic() > deadline:
                raise TimeoutError(f"still on its way: {moving or 'events, again and again'}")
            quiet_at = None if moving else ends
            await asyncio.sleep(0.05)


class Publisher:
    """Puts events on their topics as another service would, with sequences of its own."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._sequences: Counter[str] = Counter()

    def envelope(self, event: Event) -> Envelope:
        """The event as the relay would send it, next in its key's stream."""
        topic = topic_of(event.PRODUCER, self._scope.topic_prefix)
        self._sequences[f"{topic}|{event.key}"] += 1
        return Envelope(
            topic=topic,
            key=event.key,
            sequence=self._sequences[f"{topic}|{event.key}"],
            id=uuid4().hex,
            type=event.TYPE,
            dataschema=schema_of(event),
            time=datetime.now(UTC),
            data=encode(event),
        )

    async def publish(self, *events: Event) -> None:
        """Send events in this order."""
        await self.send(*(self.envelope(event) for event in events))

    async def send(self, *envelopes: Envelope) -> None:
        """Send envelopes in this order, as they are."""
        await self._scope.make_topics(*PRODUCERS)
        client = producer(KafkaSettings(bootstrap=self._scope.kafka_bootstrap))
        await client.start()
        try:
            for envelope in envelopes:
                await client.send_and_wait(
                    envelope.topic,
                    envelope.data,
                    key=envelope.key.encode(),
                    headers=envelope.headers(),
                )
        finally:
            await client.stop()


async def published(scope: Scope, service: ServiceName) -> list[Envelope]:
    """Everything that a service has published so far, in the order of its partitions."""
    topic = topic_of(service, scope.topic_prefix)
    await scope.make_topics(service)
    client = AIOKafkaConsumer(bootstrap_servers=scope.kafka_bootstrap, enable_auto_commit=False)
    await client.start()
    try:
        partitions = [TopicPartition(topic, p) for p in await _partitions(client, topic)]
        client.assign(partitions)
        await client.seek_to_beginning(*partitions)
        ends = await client.end_offsets(partitions)
        found: list[Envelope] = []
        while any([await client.position(tp) < end for tp, end in ends.items()]):
            for records in (await client.getmany(timeout_ms=500)).values():
                found += [from_record(r.topic, r.key, r.value, list(r.headers)) for r in records]
        return found
    finally:
        await client.stop()


async def _partitions(client: AIOKafkaConsumer, topic: str) -> list[int]:
    while not (found := client.partitions_for_topic(topic)):
        await client._client.force_metadata_update()
        client._client.add_topic(topic)
        await asyncio.sleep(0.02)
    return sorted(found)
