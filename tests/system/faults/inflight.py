"""How much work is under way at a moment: a kill that finds none proves nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from tests.system.faults.platform import STORES
from wakeline_messaging import Handlers

SERVICES = ("ingest", "labeling", "review", "training", "prediction", "lineage")


@dataclass(frozen=True)
class Work:
    """Work under way, by service."""

    requests: Mapping[str, int]
    outbox: Mapping[str, int] = field(default_factory=dict)
    jobs: Mapping[str, int] = field(default_factory=dict)
    lag: Mapping[str, int] = field(default_factory=dict)

    def total(self) -> int:
        """All of it."""
        return sum(sum(part.values()) for part in self._parts())

    def of(self, process: str) -> int:
        """What of it is in the hands of one process."""
        service, _, kind = process.rpartition("-")
        if process in STORES or not service:
            return self.total()
        if kind == "all":
            return sum(part.get(service, 0) for part in self._parts())
        part = {
            "serve": self.requests,
            "relay": self.outbox,
            "consume": self.lag,
            "run": self.jobs,
        }
        return part[kind].get(service, 0)

    def _parts(self) -> tuple[Mapping[str, int], ...]:
        return (self.requests, self.outbox, self.jobs, self.lag)


class Gauge:
    """Looks at databases and broker, not longer than a fraction of a second each time."""

    def __init__(self, dsn: str, bootstrap: str, handlers: Mapping[str, Handlers]) -> None:
        self.requests: Counter[str] = Counter()
        """Requests that clients have open, by service."""
        self._bootstrap = bootstrap
        self._topics = {name: table.topics("wakeline") for name, table in handlers.items()}
        self._mongo: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            dsn,
            serverSelectionTimeoutMS=500,
            connectTimeoutMS=500,
            socketTimeoutMS=1_000,
            retryReads=False,
        )
        self.lag: dict[str, int] = {}
        """As of the last look, by service."""
        self._ends: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None

    async def close(self) -> None:
        """Close all connections."""
        await self._disconnect()
        await self._mongo.close()

    async def work(self) -> Work:
        """What is under way now; a store that does not answer counts nothing."""
        looks = await asyncio.gather(*(self._look(name) for name in SERVICES))
        return Work(
            requests=+self.requests,
            outbox={name: outbox for name, (outbox, _) in zip(SERVICES, looks, strict=True)},
            jobs={name: jobs for name, (_, jobs) in zip(SERVICES, looks, strict=True)},
            lag=dict(self.lag),
        )

    async def _look(self, service: str) -> tuple[int, int]:
        database = self._mongo[f"wakeline_{service}"]
        due = {
            "kind": {"$ne": "sweep"},  # comes round for ever, work or not
            "$or": [
                {"state": "running"},
                {"state": "queued", "not_before": {"$lte": datetime.now(UTC)}},
            ],
        }
        try:
            async with asyncio.timeout(0.4):
                return (
                    await database["outbox"].count_documents({}, limit=1_000),
                    await database["jobs"].count_documents(due, limit=1_000),
                )
        except (PyMongoError, TimeoutError):
            return 0, 0

    async def watch_lag(self) -> None:
        """Keep ``lag`` true to half a second, until cancelled."""
        try:
            while True:
                try:
                    async with asyncio.timeout(5):
                        self.lag = await self.measure_lag()
                except (KafkaError, OSError, TimeoutError):
                    self.lag = {}
                    await self._disconnect()
                await asyncio.sleep(0.3)
        finally:
            await self._disconnect()

    async def measure_lag(self) -> dict[str, int]:
        """Records that each service's consumer has not committed."""
        if self._ends is None or self._admin is None:
            self._ends = AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
            self._admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
            await self._ends.start()
            await self._admin.start()
        topics = sorted({topic for mine in self._topics.values() for topic in mine})
        partitions = [TopicPartition(topic, number) for topic in topics for number in range(6)]
        ends = await self._ends.end_offsets(partitions)
        found = {}
        for name, mine in self._topics.items():
            committed = await self._admin.list_consumer_group_offsets(f"wakeline.{name}")
            found[name] = sum(
                max(0, end - max(0, committed[tp].offset if tp in committed else 0))
                for tp, end in ends.items()
                if tp.topic in mine
            )
        return found

    async def _disconnect(self) -> None:
        ends, admin, self._ends, self._admin = self._ends, self._admin, None, None
        with suppress(Exception):
            if ends is not None:
                await ends.stop()
        with suppress(Exception):
            if admin is not None:
                await admin.close()
