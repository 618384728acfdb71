"""One test's corner of the servers: databases, topics and buckets that nobody else uses."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from minio import Minio
from minio.deleteobjects import DeleteObject
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from wakeline_blobs import BlobSettings
from wakeline_embedded.seaweed import REGION
from wakeline_events.base import ServiceName
from wakeline_storage import MongoSettings
from wakeline_testing import topics
from wakeline_testing.stack import SCOPE_NAME_LENGTH, Stack


@dataclass
class Scope:
    """Names that are this test's own. Topics and buckets are made when they are first asked for."""

    stack: Stack
    name: str
    """Eight letters and digits; every name below starts with it."""
    _databases: dict[ServiceName, str] = field(default_factory=dict)
    _topics: set[str] = field(default_factory=set)
    _buckets: set[str] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def opened(cls, stack: Stack) -> AsyncIterator[Scope]:
        """A new scope; what was made in it is dropped at the end."""
        opened = cls(stack, "t" + secrets.token_hex(SCOPE_NAME_LENGTH)[: SCOPE_NAME_LENGTH - 1])
        try:
            yield opened
        finally:
            await opened.drop()

    @property
    def mongo_dsn(self) -> str:
        """DSN of the MongoDB."""
        return self.stack.mongo.dsn

    @property
    def kafka_bootstrap(self) -> str:
        """Bootstrap address of the Kafka."""
        return self.stack.kafka.bootstrap

    @property
    def topic_prefix(self) -> str:
        """What stands before the dot of this scope's topics, in place of "wakeline"."""
        return self.name

    def database(self, name: str) -> str:
        """The database that "name" is in this scope."""
        return f"{self.name}_{name}"

    def mongo(self, name: str) -> MongoSettings:
        """Settings of a database of this scope."""
        return MongoSettings(dsn=SecretStr(self.mongo_dsn), database=self.database(name))

    def mongo_of(self, service: ServiceName, app: str | None = None) -> MongoSettings:
        """Settings of a service's own database: an empty one that is migrated, or a new one.

        By ``app`` MongoDB tells its clients apart.
        """
        if service not in self._databases:
            self._databases[service] = self.stack.databases.take(service) or self.database(service)
        dsn = self.mongo_dsn if app is None else f"{self.mongo_dsn}&appName={app}"
        return MongoSettings(dsn=SecretStr(dsn), database=self._databases[service])

    async def topic(self, service: str) -> str:
        """The topic of a service in this scope; made on the first call."""
        await self.make_topics(service)
        return f"{self.topic_prefix}.{service}"

    async def make_topics(self, *services: str) -> None:
        """Make the topics of these services, as far as they aren't there."""
        missing = {f"{self.topic_prefix}.{service}" for service in services} - self._topics
        if missing:
            await topics.create(self.kafka_bootstrap, missing)
            self._topics |= missing

    def blobs(self, service: str | None = None) -> BlobSettings:
        """How a service reaches this scope's buckets, with the rights of that service.

        ``None`` is the administrator. Where the store was given with one credential, every
        service has that one.
        """
        s3 = self.stack.s3
        identity = s3.services.get(service, s3.admin) if service is not None else s3.admin
        return BlobSettings(
            endpoint=s3.endpoint,
            access_key=identity.access_key,
            secret_key=SecretStr(identity.secret_key),
            secure=s3.secure,
            region=REGION,
            prefix=f"{self.name}-",
        )

    async def bucket(self, name: str) -> str:
        """The full name of a bucket of this scope; made on the first call."""
        await self.make_buckets(name)
        return f"{self.name}-{name}"

    async def make_buckets(self, *names: str) -> None:
        """Make these buckets, as far as they aren't there."""
        missing = {f"{self.name}-{name}" for name in names} - self._buckets
        client = self._minio()
        await asyncio.gather(
            *(asyncio.to_thread(client.make_bucket, bucket_name=bucket) for bucket in missing)
        )
        self._buckets |= missing

    async def drop(self) -> None:
        """Remove this scope's databases, topics and buckets; a next one may get databases of it."""
        async with AsyncMongoClient[dict[str, Any]](self.mongo_dsn) as client:
            kept = {
                name
                for service, name in self._databases.items()
                if await self.stack.databases.keep(service, client[name])
            }
            there = await client.list_database_names()
            mine = {name for name in there if name.startswith(f"{self.name}_")}
            for name in (mine | set(self._databases.values())) - kept:
                await client.drop_database(name)
            self._databases.clear()
        if self._topics:
            await topics.delete(self.kafka_bootstrap, self._topics)
            self._topics.clear()
        store = self._minio()
        await asyncio.gather(
            *(asyncio.to_thread(_remove_bucket, store, bucket) for bucket in self._buckets)
        )
        self._buckets.clear()

    def _minio(self) -> Minio:
        s3 = self.stack.s3
        return Minio(
            endpoint=s3.endpoint,
            access_key=s3.admin.access_key,
            secret_key=s3.admin.secret_key,
            secure=s3.secure,
            region=REGION,
        )


def _remove_bucket(client: Minio, bucket: str) -> None:
    objects = client.list_objects(bucket_name=bucket, recursive=True)
    doomed = [DeleteObject(one.object_name) for one in objects]
    # a generator: nothing is removed until it is read
    for failed in client.remove_objects(bucket_name=bucket, delete_object_list=doomed):
        raise RuntimeError(f"{bucket}/{failed.name} could not be removed: {failed.message}")
    client.remove_bucket(bucket_name=bucket)
