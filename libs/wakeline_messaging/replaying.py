"""Going back: a running consumer reads a topic again from an earlier point.

The operator leaves a row in ``replays``; whichever process holds a partition of the topic turns
that partition back and says so in the row. Marks skip what is known, so a replay only brings
what was lost. Every step may be repeated: a process that dies between two of them leaves the row
as it was, and the partition's next holder goes on from there.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from wakeline_messaging.unit_of_work import UnitOfWork

log = structlog.get_logger()

LOOK_EVERY = 1.0
"""Seconds between looks at what the operator asked for."""

Start = Literal["beginning"] | int | datetime
"""Where to read from: the first event there is, an offset of every partition, or a time (aware)."""


class TopicNotConsumedError(Exception):
    """The service does not read this topic."""

    code: ClassVar[str] = "topic-not-consumed"


def ask(uow: UnitOfWork[Any], topics: Sequence[str], topic: str, start: Start, by: str) -> str:
    """Leave word that a topic is to be read again, and return the replay's id.

    Parameters
    ----------
    topics
        What the service reads.
    topic
        One of them, by its whole name or by its producer's alone.

    Raises
    ------
    TopicNotConsumedError
        If it is none of them.
    """
    meant = [one for one in topics if topic in (one, one.rpartition(".")[2])]
    if not meant:
        raise TopicNotConsumedError(
            f"this service does not read {topic}; it reads: {', '.join(topics) or 'no topic'}"
        )
    row: dict[str, Any] = {
        "_id": str(ObjectId()),
        "topic": meant[0],
        "start": start,
        "asked_at": uow.now,
        "asked_by": by,
        "partitions": {},
        "ended_at": None,
    }
    uow.collection("replays").insert(row)
    return str(row["_id"])


def beginning(wanted: int | None, first: int, at: int) -> int:
    """The offset to read from: never before the first there is, never past what was taken in."""
    return max(first, min(at if wanted is None else wanted, at))


class Replays:
    """Turns the partitions back that this process holds."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]]) -> None:
        self._rows = database["replays"]
        self._next_look = 0.0

    def is_look_due(self) -> bool:
        """Whether a look would do something now."""
        return asyncio.get_running_loop().time() >= self._next_look

    async def look(self, client: AIOKafkaConsumer) -> None:
        """Do what is asked for, at most once a second. Only while no batch is on its way.

        A store that is away, or a partition that another process has got meanwhile, only means
        that it is done later or by that one.
        """
        if not self.is_look_due():
            return
        self._next_look = asyncio.get_running_loop().time() + LOOK_EVERY
        held = client.assignment()
        topics = sorted({tp.topic for tp in held})
        try:
            rows = await self._rows.find(
                {"ended_at": None, "topic": {"$in": topics}}, sort=[("_id", 1)]
            ).to_list()
            for row in rows:
                for tp in sorted(tp for tp in held if tp.topic == row["topic"]):
                    row = await self._one(client, row, tp)
        except (PyMongoError, CommitFailedError, IllegalStateError) as error:
            log.info("replay waits", cause=f"{type(error).__name__}: {error}")

    async def _one(
        self, client: AIOKafkaConsumer, row: dict[str, Any], tp: TopicPartition
    ) -> dict[str, Any]:
        part = row["partitions"].get(str(tp.partition))
        at = await client.position(tp)
        if part is None:
            # Written before anything moves: once the group stands at the earlier offset, nobody
            # could tell any more how far it had been.
            part = {"from": await self._start(client, row["start"], tp, at), "until": at}
            row = await self._say(row, tp, part)
        if "turned" not in part:
            client.seek(tp, part["from"])
            await client.commit({tp: part["from"]})
            part["turned"] = True
            row = await self._say(row, tp, part)
            log.info("replay", topic=tp.topic, partition=tp.partition, start=part["from"])
        elif "done" not in part and at >= part["until"]:
            part["done"] = True
            row = await self._say(row, tp, part)
            await self._end(client, row)
        return row

    async def _say(
        self, row: dict[str, Any], tp: TopicPartition, part: Mapping[str, Any]
    ) -> dict[str, Any]:
        found = await self._rows.find_one_and_update(
            {"_id": row["_id"]},
            {"$set": {f"partitions.{tp.partition}": dict(part)}},
            return_document=ReturnDocument.AFTER,
        )
        assert found is not None
        return found

    async def _end(self, client: AIOKafkaConsumer, row: dict[str, Any]) -> None:
        there = client.partitions_for_topic(row["topic"]) or set()
        if all("done" in row["partitions"].get(str(p), ()) for p in there):
            await self._rows.update_one({"_id": row["_id"]}, {"$currentDate": {"ended_at": True}})

    @staticmethod
    async def _start(client: AIOKafkaConsumer, start: Start, tp: TopicPartition, at: int) -> int:
        first = (await client.beginning_offsets([tp]))[tp]
        match start:
            case datetime():
                found = (await client.offsets_for_times({tp: int(start.timestamp() * 1000)}))[tp]
                return beginning(None if found is None else found.offset, first, at)
            case int():
                return beginning(start, first, at)
            case _:
                return beginning(first, first, at)
