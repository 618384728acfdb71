"""One transaction's reads, writes and events."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from bson import ObjectId
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from wakeline_events.base import Event, ServiceName
from wakeline_messaging.envelope import Envelope, encode, schema_of
from wakeline_storage import BufferedCollection
from wakeline_telemetry import correlation, tracing

R = TypeVar("R")


class NotYetKnownError(Exception):
    """An event names something that another topic has not brought yet.

    Raised by a handler before it writes anything: the event is kept in ``waiting`` until
    :meth:`UnitOfWork.known` says the name.
    """

    code = "not-yet-known"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not known here yet")
        self.name = name


class _Emitted(NamedTuple):
    """An event and where it came from: a transaction may serve several callers."""

    event: Event
    trace: str | None
    correlation: str | None
    snapshot: bool


@dataclass(frozen=True)
class Scope:
    """The transaction that a unit of work belongs to."""

    producer: ServiceName
    database: AsyncDatabase[dict[str, Any]]
    session: AsyncClientSession | None
    """None: reads only."""
    now: datetime
    """UTC. For records; leases take the database's own time."""
    bell: asyncio.Event | None = None
    """Rung when there will be something for a relay of this process to send."""


class UnitOfWork(Generic[R]):
    """What a use case loads from, stores to and emits through; all of it is stored or none.

    Services subclass it and add one store object an aggregate.
    """

    def __init__(self, scope: Scope, resources: R) -> None:
        self.scope = scope
        self.resources = resources
        self.now = scope.now
        self.careful = False
        """Write after each event, so that what cannot be stored names the event it came from."""
        self.in_hand: Envelope | None = None
        """The event that is handled now."""
        self._collections: dict[str, BufferedCollection] = {}
        self._emitted: list[_Emitted] = []
        self._known: set[str] = set()

    def collection(self, name: str) -> BufferedCollection:
        """A collection of the service's own database, within this transaction."""
        if name not in self._collections:
            self._collections[name] = BufferedCollection(
                self.scope.database[name], self.scope.session
            )
        return self._collections[name]

    def emit(self, *events: Event, snapshot: bool = False) -> None:
        """Publish events once, and only if, the transaction commits.

        A ``snapshot`` says state again that was said before: nothing has happened.

        Raises
        ------
        EventTooLargeError
            When :meth:`write` meets an event above 512 KiB.
        """
        for event in events:
            if self.scope.producer != event.PRODUCER:
                raise ValueError(f"{self.scope.producer} does not publish {event.TYPE}")
        trace, cause = tracing.carrier(), correlation.current()
        self._emitted.extend(_Emitted(event, trace, cause, snapshot) for event in events)

    def enqueue(
        self,
        kind: str,
        job_id: str,
        payload: dict[str, Any],
        *,
        priority: int = 0,
        not_before: datetime | None = None,
    ) -> None:
        """Leave work that takes longer than a handler may; asking twice for one id is harmless."""
        self.collection("jobs").add_up(
            job_row_id(kind, job_id),
            # A job that runs while it is asked for again runs once more afterwards.
            {"asked": 1},
            {
                "kind": kind,
                "payload": payload,
                "priority": priority,
                "state": "queued",
                "attempt": 0,
                "not_before": not_before or self.now,
                "created_at": self.now,
                "trace": tracing.carrier(),
                "correlation": correlation.current(),
            },
        )

    def known(self, *names: str) -> None:
        """Say that something exists now: events that waited for it are handled."""
        self._known.update(names)

    async def earlier_waits_for(self, name: str) -> bool:
        """Whether an event of the same stream, earlier than the one in hand, waits for a name."""
        event = self.in_hand
        assert event is not None, "only a handler has an event in hand"
        earlier = {"topic": event.topic, "key": event.key, "sequence": {"$lt": event.sequence}}
        return await self.collection("waiting").find_one({"name": name, **earlier}) is not None

    def take_known(self) -> set[str]:
        """The names said since the last call."""
        known, self._known = self._known, set()
        return known

    async def preload(self, reads: Mapping[str, Iterable[str]]) -> None:
        """Read documents that will be asked for, one round trip a collection.

        Parameters
        ----------
        reads : ids by collection
        """
        for name, ids in reads.items():
            rows = self.collection(name)
            # All that is ever done with a job's row is to count up who asks for it.
            await (rows.existing(ids) if name == "jobs" else rows.preload(ids))

    @property
    def asked(self) -> int:
        """How many writes and events were ever asked for."""
        return len(self._emitted) + sum(c.asked for c in self._collections.values())

    async def write(self) -> None:
        """Send state and outbox rows, one bulk write a collection."""
        if self._emitted:
            await self._write_outbox()
        for collection in self._collections.values():
            await collection.flush()

    async def _write_outbox(self) -> None:
        emitted, self._emitted = self._emitted, []
        following = await self._reserve(Counter(each.event.key for each in emitted))
        if self.scope.bell is not None:
            self.scope.bell.set()
        outbox = self.collection("outbox")
        for event, trace, cause, snapshot in emitted:
            outbox.insert(
                {
                    "_id": ObjectId(),
                    "key": event.key,
                    "sequence": following[event.key],
                    "type": event.TYPE,
                    "dataschema": schema_of(event),
                    "time": self.now,
                    "data": encode(event),
                    "trace": trace,
                    "correlation": cause,
                    **({"snapshot": True} if snapshot else {}),
                }
            )
            following[event.key] += 1

    async def _reserve(self, counts: Counter[str]) -> dict[str, int]:
        """The first free sequence of each key.

        The increment locks the key's row, so the transaction that emits the next event of this
        key can only begin after this one has committed: what the relay sees of a key is always a
        run without holes.
        """
        streams = self.collection("streams")
        if len(counts) == 1:
            ((key, count),) = counts.items()
            row = await streams.find_one_and_update(
                {"_id": key}, {"$inc": {"sequence": count}}, upsert=True
            )
            assert row is not None
            return {key: row["sequence"] - count + 1}
        rows = await streams.find({"_id": {"$in": list(counts)}})
        last = {row["_id"]: int(row["sequence"]) for row in rows}
        move_on(streams, {key: last.get(key, 0) + count for key, count in counts.items()}, last)
        return {key: last.get(key, 0) + 1 for key in counts}


def job_row_id(kind: str, job_id: str) -> str:
    """The id of a job's row in ``jobs``: for whoever reads ahead what it will ask for."""
    return f"{kind}:{job_id}"


def move_on(rows: BufferedCollection, to: Mapping[str, int], last: Mapping[str, int]) -> None:
    """Move the sequences of many streams on, in as few writes as there are lengths of steps.

    Parameters
    ----------
    to : the sequence of each stream from now on
    last : what this transaction read of the streams that there are; if somebody else has moved
        one meanwhile, or begun it, the transaction conflicts and runs again
    """
    steps: dict[int, list[str]] = defaultdict(list)
    for stream, sequence in to.items():
        if stream in last:
            steps[sequence - last[stream]].append(stream)
        else:
            rows.insert({"_id": stream, "sequence": sequence})
    for step, streams in steps.items():
        rows.update_many({"_id": {"$in": streams}}, {"$inc": {"sequence": step}})
