"""Handles events within a transaction; what names something unknown waits until it is known."""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from pymongo.errors import (
    BulkWriteError,
    DocumentTooLarge,
    DuplicateKeyError,
    PyMongoError,
    WriteError,
)

from wakeline_events.registry import BY_TYPE
from wakeline_messaging.envelope import Envelope, UnknownMajorError, from_document
from wakeline_messaging.handlers import Handlers
from wakeline_messaging.unit_of_work import NotYetKnownError, UnitOfWork
from wakeline_storage import store_is_away
from wakeline_telemetry import correlation, metrics, tracing

UNSTORABLE = (DuplicateKeyError, BulkWriteError, WriteError, DocumentTooLarge)
"""What a handler wrote can never be stored: its own error, not the store's."""
SWEEP_AFTER = timedelta(seconds=5)
"""A waiting event is looked at again this often: it heals the race between two transactions of
which one stores the waiting event and the other creates what it waits for."""
PARKED_PAGE = 500
"""Parked events of the batch's streams that one transaction looks at, and waiting ones of a name
that it handles; a sweep goes on with the others."""
FEW = 10
"""Waiting events of a name that a transaction handles which writes after each of them: one of
hundreds outlasts MongoDB's limit on a busy machine, is aborted, and begins anew for ever."""


class HandlerFailedError(Exception):
    """A handler's own error, with the event that it failed on."""

    def __init__(self, event: Envelope, cause: Exception) -> None:
        super().__init__(f"{event.type} {event.row_id}: {cause!r}")
        self.event = event
        self.cause = cause
        self.waited = False
        """The event's mark had moved on already: nothing can be parked behind it."""

    @property
    def why(self) -> str:
        """The cause in one line, for the operator."""
        return f"{type(self.cause).__name__}: {self.cause}"[:2_000]


class Handling:
    """Runs one service's handlers within a transaction that others open and commit."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    def decode(self, event: Envelope) -> None:
        """Read an event's data before its transaction, if there is a handler that wants it."""
        if self._handlers.of(event.type) is not None and event.type in BY_TYPE:
            # One that cannot be read fails in its handler, where it is known by name.
            with suppress(UnknownMajorError, ValueError):
                event.event()

    async def read_ahead(self, uow: UnitOfWork[Any], events: Sequence[Envelope]) -> None:
        """Read at once what the handlers of a batch would read one by one."""
        if len(events) == 1:
            return
        wanted: dict[str, set[str]] = defaultdict(set)
        for event in events:
            if self._handlers.reads_ahead(event.type):
                # An event that cannot be read fails in its handler, where it is known by name.
                with suppress(UnknownMajorError, ValueError):
                    for name, ids in self._handlers.reads(event.event()).items():
                        wanted[name].update(ids)
        await uow.preload(wanted)

    async def handle(self, uow: UnitOfWork[Any], event: Envelope) -> None:
        """Run one event's handler, or keep the event if it names something unknown."""
        handler = self._handlers.of(event.type)
        if handler is None:
            return
        before, started = uow.asked, time.perf_counter()
        uow.in_hand = event
        correlation.bind(event.correlation)
        try:
            with tracing.span(f"handle {event.type}", parent=event.trace, key=event.key):
                await handler(event, uow)
            if uow.careful:
                await self.write(uow, event)
        except NotYetKnownError as unknown:
            if uow.asked != before:
                failure = RuntimeError(f"wrote before it asked for {unknown.name}")
                raise HandlerFailedError(event, failure) from unknown
            self._keep_waiting(uow, event, unknown.name)
        except (UnknownMajorError, HandlerFailedError):
            raise
        except Exception as cause:
            if _is_the_stores(cause):
                raise
            raise HandlerFailedError(event, cause) from cause
        finally:
            metrics.handler_seconds.labels(event.type).observe(time.perf_counter() - started)

    @staticmethod
    async def write(uow: UnitOfWork[Any], event: Envelope) -> None:
        """Send what waits; what can never be stored is the event's fault, not the store's."""
        try:
            await uow.write()
        except UNSTORABLE as cause:
            if _is_the_stores(cause):
                raise
            raise HandlerFailedError(event, cause) from cause

    async def drain_waiting(self, uow: UnitOfWork[Any]) -> None:
        """Handle what waits for a name that is known by now, and for what becomes known thereby."""
        while names := uow.take_known():
            rows = await uow.collection("waiting").find(
                {"name": {"$in": sorted(names)}},
                sort=[("topic", 1), ("key", 1), ("sequence", 1)],
                limit=FEW if uow.careful else PARKED_PAGE,
            )
            await self.handle_waiting(uow, rows)

    async def handle_waiting(self, uow: UnitOfWork[Any], rows: Iterable[dict[str, Any]]) -> None:
        """Handle events that wait; of one that fails it is said that it had."""
        events = [from_document(row) for row in rows]
        await self.read_ahead(uow, events)
        for event in events:
            # Deleted first: a handler that has to wait again stores it anew.
            uow.collection("waiting").delete({"_id": event.row_id})
            try:
                await self.handle(uow, event)
            except HandlerFailedError as failure:
                failure.waited = True
                raise

    def _keep_waiting(self, uow: UnitOfWork[Any], event: Envelope, name: str) -> None:
        metrics.handled_events_total.labels(event.type, "waiting").inc()
        row = event.document() | {"name": name, "next_try": uow.now + SWEEP_AFTER}
        row_id = row.pop("_id")
        uow.collection("waiting").update(
            {"_id": row_id}, {"$set": row, "$setOnInsert": {"since": uow.now}}, upsert=True
        )

    def park_early(self, uow: UnitOfWork[Any], event: Envelope) -> None:
        """Keep an event until those before it in its stream have come."""
        metrics.handled_events_total.labels(event.type, "parked").inc()
        row = event.document() | {"reason": "early", "since": uow.now, "tries": 0}
        row_id = row.pop("_id")
        # It may be there, beyond the page: then it keeps its age, and what became of it.
        uow.collection("parked").update({"_id": row_id}, {"$setOnInsert": row}, upsert=True)


def _is_the_stores(cause: Exception) -> bool:
    """Whether an error says nothing about the event: conflicts and outages are waited out."""
    return isinstance(cause, PyMongoError) and store_is_away(cause)
