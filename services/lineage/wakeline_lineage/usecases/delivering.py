"""Sending what webhooks want, from the history, in the order of each stream, until it is taken."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import structlog

from wakeline_lineage.domain import webhooks
from wakeline_lineage.domain.records import KeptEvent
from wakeline_lineage.domain.webhooks import Webhook
from wakeline_lineage.ports import LineageUnitOfWork, Receivers
from wakeline_lineage.usecases import notifying
from wakeline_messaging import JobLease

log = structlog.get_logger()

PAGE = 100
"""Events that are under way to one receiver at most: what a kill -9 may send twice."""
AT_ONCE = 8
"""Streams of one receiver that are sent side by side."""
TURN = 8.0
"""Seconds until the job ends and is asked for anew, so that few deaths are counted against it."""
LOOK = 0.5
"""Seconds between looks for new events."""

Lease = JobLease[Any, Any]


async def deliver(lease: Lease, receivers: Receivers, patience: timedelta) -> None:
    """Serve every webhook that is switched on, side by side, for one turn.

    Parameters
    ----------
    patience
        A receiver that has not taken the event that is next for so long is switched off.
    """
    until = monotonic() + TURN
    reader: LineageUnitOfWork = lease.read()
    while monotonic() < until:
        due = [one for one in await reader.webhooks.enabled() if _is_due(one)]
        if due:
            await _all(_serve(lease, receivers, patience, one, until) for one in due)
        await asyncio.sleep(LOOK)
    left = await reader.webhooks.enabled()

    async def again(uow: LineageUnitOfWork) -> None:
        if left:
            uow.wake(notifying.DELIVER)

    await lease.finish(again)


async def _serve(
    lease: Lease, receivers: Receivers, patience: timedelta, webhook: Webhook, until: float
) -> None:
    """Send one receiver its pages until it is up to date, refuses, or the turn is over."""
    current: Webhook | None = webhook
    while current is not None and monotonic() < until:
        head = await lease.read().history.position()
        wanted = notifying.wanted_by(current)
        page = await lease.read().history.page(wanted, current.cursor, PAGE)
        end = head if len(page) < PAGE else page[-1].position
        if not page and end <= current.cursor:
            return
        sending = _Sending(current, receivers)
        await sending.send(page)
        positions = [event.position for event in page]
        current = await _store(lease, current, sending, patience, positions, end)
        if sending.failure is not None:
            return


async def _store(
    lease: Lease,
    webhook: Webhook,
    sending: "_Sending",
    patience: timedelta,
    page: list[int],
    end: int,
) -> Webhook | None:
    """Remember how far a receiver is; None if the operator moved it meanwhile, or removed it."""
    cursor, done = webhooks.advanced(webhook.cursor, sending.done, page, end)
    now = datetime.now(UTC)
    held_since = webhooks.held_since(webhook, cursor, sending.failure, now)
    changes: dict[str, Any] = {"cursor": cursor, "done": done, "held_since": held_since}
    if page:
        changes["last_tried_at"] = now
    if sending.sent:
        changes["delivered_at"] = now
    if sending.failure is None:
        changes |= {"failures": 0, "last_error": None, "next_try": None}
    else:
        failures = 1 if sending.sent else webhook.failures + 1
        pause = webhooks.pause_after(failures, random.random())
        changes |= {"failures": failures, "last_error": sending.failure, "next_try": now + pause}
        log.warning("webhook waits", webhook=webhook.id, cause=sending.failure, failures=failures)
        if held_since is not None and now - held_since >= patience:
            since = held_since.isoformat(timespec="seconds")
            why = f"switched off, as nothing was taken since {since}: {sending.failure}"
            changes |= {"enabled": False, "last_error": why, "next_try": None}
            log.error("webhook switched off", webhook=webhook.id, cause=why)
    kept: Webhook | None = None

    async def body(uow: LineageUnitOfWork) -> None:
        nonlocal kept
        kept = await uow.webhooks.progress(webhook.id, webhook.revision, changes)

    await lease.transaction(body)
    return kept


@dataclass
class _Sending:
    """One page on its way to one receiver."""

    webhook: Webhook
    receivers: Receivers
    done: set[int] = field(default_factory=set)
    sent: int = 0
    failure: str | None = None

    async def send(self, page: list[KeptEvent]) -> None:
        """Send streams side by side; the first failure ends them all at their next event."""
        self.done = set(self.webhook.done)
        open_places = asyncio.Semaphore(AT_ONCE)
        streams = webhooks.streams_of(page)
        await asyncio.gather(*(self._send_stream(stream, open_places) for stream in streams))

    async def _send_stream(self, events: list[KeptEvent], places: asyncio.Semaphore) -> None:
        async with places:
            for event in events:
                if event.position in self.done:
                    continue
                if self.failure is not None:
                    return
                why = await self._told(event)
                if why is not None:
                    self.failure = why
                    return
                self.done.add(event.position)
                self.sent += 1

    async def _told(self, event: KeptEvent) -> str | None:
        """Why the receiver has not taken an event in: whatever it is, the others go on."""
        try:
            return await self.receivers.tell(self.webhook, event)
        except Exception as error:
            log.exception("event cannot be sent", webhook=self.webhook.id, event=event.row_id)
            return f"it cannot be sent: {type(error).__name__}: {error}"[:500]


async def _all(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of it side by side to the end, then raise what the first failure was."""
    for result in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def _is_due(webhook: Webhook, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> bool:
    return webhook.next_try is None or webhook.next_try <= now()
