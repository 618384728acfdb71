"""Delivered at least once, in effect once: a batch of events in one transaction.

State, marks, outbox rows and what has to wait are stored together or not at all, so events that
come again stand at or below their stream's mark and are skipped. The body of a transaction may
run twice after a write conflict: it touches nothing outside.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import (
    PyMongoError,
)

from wakeline_messaging import handling, ordering
from wakeline_messaging.envelope import (
    Envelope,
    MalformedRecordError,
    UnknownMajorError,
    from_document,
)
from wakeline_messaging.handlers import Handlers
from wakeline_messaging.handling import HandlerFailedError
from wakeline_messaging.unit_of_work import UnitOfWork, move_on
from wakeline_storage import Transactions
from wakeline_telemetry import metrics

log = structlog.get_logger()

BATCH = 500
"""Events of one transaction at most, see docs/decisions/0023-longer-batches.md."""
RETRY_AFTER = (1.0, 3.0, 8.0, 18.0)
"""Seconds between the five tries of an event whose handler fails: 30 s in all."""
SWEEP_PAGE = 100


@dataclass(frozen=True)
class Stores:
    """How a processor opens its transactions."""

    transactions: Transactions
    unit_of_work: Callable[[AsyncClientSession | None, datetime], UnitOfWork[Any]]

    def open(self, session: AsyncClientSession | None) -> UnitOfWork[Any]:
        """A unit of work of this moment."""
        now = datetime.now(UTC)
        return self.unit_of_work(session, now.replace(microsecond=now.microsecond // 1000 * 1000))


class TooManyParkedError(Exception):
    """Of a batch's streams more is parked than is handled together, and a snapshot that one of
    them may begin with would pass some of that by for ever."""


class Processor:
    """Takes in events on behalf of one service."""

    def __init__(self, handlers: Handlers, stores: Stores) -> None:
        self._handling = handling.Handling(handlers)
        self._stores = stores
        # A batch is a long transaction and a retry a short one: side by side, the short ones
        # would make the long one conflict again and again.
        self._one_at_a_time = asyncio.Lock()
        self._most = BATCH
        """Events of a transaction: fewer where longer ones were aborted, as MongoDB does with
        what takes longer than its limit; each that succeeds lets it grow again."""

    def decode(self, event: Envelope) -> None:
        """Read an event's data before its transaction, if there is a handler that wants it."""
        self._handling.decode(event)

    async def process(self, events: Sequence[Envelope]) -> None:
        """Take in a batch; if one of its events fails, half by half, down to that one.

        Raises
        ------
        UnknownMajorError
            Nothing of the event was taken in: only a newer release can.
        pymongo.errors.PyMongoError
            The store is away: nothing was taken in, and the batch may come again.
        """
        async with self._one_at_a_time:
            first = 0
            while first < len(events):
                part = events[first : first + self._most]
                await self._together(part)
                first += len(part)

    async def _together(self, events: Sequence[Envelope]) -> None:
        """In one transaction, else by halves: of many events a bad one costs a few transactions."""
        try:
            await self._in_one_transaction(events)
            self._most = min(self._most + self._most // 16 + 1, BATCH)
        except (HandlerFailedError, TooManyParkedError, PyMongoError) as error:
            if isinstance(error, TooManyParkedError) and len(events) == 1:
                return await self._begin(events[0])
            if isinstance(error, PyMongoError):
                if not _is_a_conflict(error):
                    raise
                self._most = max(1, len(events) // 2)
                log.warning("batch was aborted", events=len(events), cause=str(error)[:200])
            if len(events) == 1:
                return await self._alone(events[0])
            middle = len(events) // 2
            await self._together(events[:middle])
            await self._together(events[middle:])
        return None

    async def _begin(self, snapshot: Envelope) -> None:
        """More is parked of a stream than is handled together: it begins with the first of that.

        From there it goes on in sequence, as every stream that has begun: here up to the snapshot
        or for a page, and then with each sweep.
        """
        parked = self._stores.open(None).collection("parked")
        first = await parked.find_one({"stream": snapshot.stream}, sort=[("sequence", 1)])
        if first is not None:
            await self._together([replace(from_document(first), snapshot=True)])
        await self._together([snapshot])

    async def _alone(self, event: Envelope) -> None:
        while True:
            try:
                return await self._in_one_transaction([event], careful=True)
            except HandlerFailedError as failure:
                await self._set_aside(failure)
                if failure.event.row_id == event.row_id:
                    return None
                # Another one failed, which this event had released: once more without that.

    async def _in_one_transaction(
        self, events: Sequence[Envelope], *, careful: bool = False
    ) -> None:
        async def body(session: AsyncClientSession) -> ordering.Split:
            uow = self._stores.open(session)
            uow.careful = careful
            result = await self._take_in(uow, events)
            await self._handling.write(uow, events[0])
            return result

        split = await self._stores.transactions.run(body)
        for outcome, taken_in in (("duplicate", split.duplicates), ("handled", split.fresh)):
            for event_type, count in Counter(event.type for event in taken_in).items():
                metrics.handled_events_total.labels(event_type, outcome).inc(count)

    async def _take_in(self, uow: UnitOfWork[Any], events: Sequence[Envelope]) -> ordering.Split:
        streams = list({event.stream for event in events})
        marks = uow.collection("marks")
        parked = uow.collection("parked")
        rows = await marks.find({"_id": {"$in": streams}})
        at = {row["_id"]: int(row["sequence"]) for row in rows}
        held = await parked.find(
            {"stream": {"$in": streams}}, sort=[("sequence", 1)], limit=handling.PARKED_PAGE
        )
        # What failed is tried again in its own time, and everything behind it stays early.
        failed = {row["_id"] for row in held if row["reason"] != "early"}
        # A stream whose first event is still here has begun: no snapshot may pass that by.
        at = {row["stream"]: 0 for row in held if row["_id"] in failed} | at
        begins = [event for event in events if event.snapshot and event.stream not in at]
        full = len(held) == handling.PARKED_PAGE
        if full and any(event.sequence > held[-1]["sequence"] for event in begins):
            raise TooManyParkedError
        known_rows = {row["_id"] for row in held}
        parked_begins = {event.row_id for event in begins} & known_rows
        aside = failed | parked_begins
        waiting_in_line = [from_document(row) for row in held if row["_id"] not in aside]
        news = (e for e in events if e.row_id not in known_rows or e.row_id in parked_begins)
        split = ordering.split([*waiting_in_line, *news], at)
        await self._handling.read_ahead(uow, split.fresh)
        for event in split.fresh:
            await self._handling.handle(uow, event)
            if event.row_id in known_rows:
                parked.delete({"_id": event.row_id})
        for event in split.early:
            if event.row_id not in known_rows:
                self._handling.park_early(uow, event)
        for event in split.duplicates if known_rows else ():
            if event.row_id in known_rows and event.sequence <= at.get(event.stream, 0):
                parked.delete({"_id": event.row_id})
        move_on(marks, split.marks, {row["_id"]: int(row["sequence"]) for row in rows})
        await self._handling.drain_waiting(uow)
        return split

    async def _set_aside(self, failure: HandlerFailedError) -> None:
        """Put a failed event aside: tried again a few times, then dead, with its cause.

        Later events of its key wait behind it, because its mark does not move; the row of a dead
        event therefore stays in ``parked`` as well, until the operator has decided. One that had
        waited is past its mark, and tried again where it waits.
        """
        event = failure.event
        log.error("handler failed", type=event.type, row=event.row_id, exc_info=failure.cause)
        home = "waiting" if failure.waited else "parked"

        async def body(session: AsyncClientSession) -> bool:
            uow = self._stores.open(session)
            kept = uow.collection(home)
            row = await kept.find_one({"_id": event.row_id})
            tries = 1 + (row.get("tries", 0) if row else 0)
            died = tries > len(RETRY_AFTER)
            document = event.document() | {
                "reason": "dead" if died else "failed",
                "cause": failure.why,
                "tries": tries,
                "since": row["since"] if row else uow.now,
                "waited": failure.waited,
            }
            if died:
                uow.collection("dead").replace({"_id": event.row_id}, document, upsert=True)
            else:
                document["next_try"] = uow.now + timedelta(seconds=RETRY_AFTER[tries - 1])
            if failure.waited and died:
                kept.delete({"_id": event.row_id})
            else:
                name = {"name": another_try(event.row_id)} if failure.waited else {}
                kept.replace({"_id": event.row_id}, document | name, upsert=True)
            await uow.write()
            return died

        died = await self._stores.transactions.run(body)
        outcome = "dead" if died else home
        metrics.handled_events_total.labels(event.type, outcome).inc()

    async def sweep(self) -> None:
        """Try again what is due: failed events, released successors, and waiting events.

        Raises
        ------
        UnknownMajorError
            At the end, if an event waits for a newer release; all others were tried.
        """
        uow = self._stores.open(None)
        parked = uow.collection("parked")
        due = await parked.find(
            {"reason": "failed", "next_try": {"$lte": uow.now}}, sort=[("next_try", 1)], limit=100
        )
        heads = await self._released(uow)
        newer = await self._each("parked", due, self._retry)
        newer += await self._each("parked", heads, self._release)
        full = True
        while full:  # what waits again is not due again before uow.now
            waiting = await uow.collection("waiting").find(
                {"next_try": {"$lte": uow.now}}, sort=[("next_try", 1)], limit=SWEEP_PAGE
            )
            too_new = await self._each("waiting", waiting, self._retry_waiting)
            newer += too_new
            full = len(waiting) == SWEEP_PAGE and not too_new
        if newer:
            raise newer[0]

    async def _each(
        self,
        home: str,
        rows: Iterable[dict[str, Any]],
        retry: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> list[UnknownMajorError]:
        """Try each row on its own, and return what only a newer release can read."""
        newer: list[UnknownMajorError] = []
        for row in rows:
            async with self._one_at_a_time:
                try:
                    from_document(row)
                except MalformedRecordError as error:
                    await self._bury(home, row, error)
                    continue
                try:
                    await retry(row)
                except UnknownMajorError as error:
                    newer.append(error)
        return newer

    async def _bury(self, home: str, row: dict[str, Any], error: MalformedRecordError) -> None:
        """An earlier release let the operator try a record again that never was an event."""
        log.error("malformed row", row=row["_id"], cause=str(error))

        async def body(session: AsyncClientSession) -> None:
            uow = self._stores.open(session)
            dead = row | {"reason": "malformed", "cause": row.get("cause", str(error))}
            uow.collection("dead").replace({"_id": row["_id"]}, dead, upsert=True)
            uow.collection(home).delete({"_id": row["_id"]})
            await uow.write()

        await self._stores.transactions.run(body)

    async def _released(self, uow: UnitOfWork[Any]) -> list[dict[str, Any]]:
        """Parked events whose turn has come without a new event of their stream."""
        return await uow.collection("parked").aggregate(
            [
                {"$match": {"reason": "early"}},
                {"$sort": {"stream": 1, "sequence": 1}},
                {"$group": {"_id": "$stream", "head": {"$first": "$$ROOT"}}},
                {
                    "$lookup": {
                        "from": "marks",
                        "localField": "_id",
                        "foreignField": "_id",
                        "as": "mark",
                    }
                },
                {"$set": {"at": {"$ifNull": [{"$first": "$mark.sequence"}, 0]}}},
                {"$match": {"$expr": {"$lte": ["$head.sequence", {"$add": ["$at", 1]}]}}},
                {"$replaceWith": "$head"},
                {"$limit": 100},
            ]
        )

    async def _release(self, row: dict[str, Any]) -> None:
        """Handle a parked event whose turn has come and those behind it; if that fails, itself."""
        try:
            return await self._in_one_transaction([from_document(row)])
        except (HandlerFailedError, PyMongoError) as error:
            if isinstance(error, PyMongoError) and not _is_a_conflict(error):
                raise
        await self._retry(row)

    async def _retry(self, parked_row: dict[str, Any]) -> None:
        """Handle a parked event if it is next in line."""
        event = from_document(parked_row)

        async def body(session: AsyncClientSession) -> str | None:
            uow = self._stores.open(session)
            uow.careful = True
            parked, marks = uow.collection("parked"), uow.collection("marks")
            row = await marks.find_one({"_id": event.stream})
            at = int(row["sequence"]) if row else 0
            if await parked.find_one({"_id": event.row_id}) is None or event.sequence > at + 1:
                return None
            if event.sequence == at + 1:
                await self._handling.handle(uow, event)
                marks.update(
                    {"_id": event.stream}, {"$set": {"sequence": event.sequence}}, upsert=True
                )
            parked.delete({"_id": event.row_id})
            await self._handling.drain_waiting(uow)
            await uow.write()
            return "handled" if event.sequence == at + 1 else "duplicate"

        try:
            outcome = await self._stores.transactions.run(body)
        except HandlerFailedError as failure:
            await self._set_aside(failure)
        else:
            if outcome is not None:
                metrics.handled_events_total.labels(event.type, outcome).inc()

    async def _retry_waiting(self, row: dict[str, Any]) -> None:
        """Try a waiting event again, and all that wait for the same; if that fails, a few."""
        try:
            return await self._retry_with_others(row)
        except (HandlerFailedError, PyMongoError) as error:
            if isinstance(error, PyMongoError) and not _is_a_conflict(error):
                raise
        try:
            await self._retry_with_others(row, careful=True)
        except HandlerFailedError as failure:
            await self._set_aside(failure)

    async def _retry_with_others(self, row: dict[str, Any], *, careful: bool = False) -> None:
        event = from_document(row)

        async def body(session: AsyncClientSession) -> None:
            uow = self._stores.open(session)
            uow.careful = careful
            waiting = uow.collection("waiting")
            if await waiting.find_one({"_id": row["_id"]}) is None:
                return
            since = row["since"]
            await self._handling.handle_waiting(uow, [row])
            await self._handling.write(uow, event)
            if await waiting.find_one({"_id": row["_id"], "name": row["name"]}) is None:
                uow.known(row["name"])  # it is there: all the others that wait for it may go on
            await self._handling.drain_waiting(uow)
            await self._handling.write(uow, event)
            # Waiting again keeps its age, for it is the age that alerts.
            waiting.update({"_id": row["_id"]}, {"$set": {"since": since}})
            await uow.write()

        await self._stores.transactions.run(body)


def another_try(row_id: str) -> str:
    """What an event waits for that is in ``waiting`` only to be tried again: its own time."""
    return f"another try of {row_id}"


def _is_a_conflict(cause: PyMongoError) -> bool:
    return cause.has_error_label("TransientTransactionError")
