"""Telling others what happens: subscriptions, and what the operator does with them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from wakeline_events.registry import BY_TYPE
from wakeline_lineage import metrics
from wakeline_lineage.domain import webhooks
from wakeline_lineage.domain.errors import (
    TooManyWebhooksError,
    UnknownEventTypeError,
    UnknownWebhookError,
)
from wakeline_lineage.domain.webhooks import Webhook
from wakeline_lineage.ports import LineageUnitOfWork, Wanted

DELIVER = "deliver"
"""The one job that sends what every webhook wants."""
RESEAL = "reseal"
"""The one job that seals secrets of before there were keys."""
MOST = 100


async def subscribe(
    uow: LineageUnitOfWork,
    url: str,
    types: Sequence[str],
    after: int | None,
    entropy: bytes,
    allowed: Collection[str],
    close: Callable[[str], str],
) -> Webhook:
    """Add a receiver, which is told all that comes after a position; None: from now on.

    Parameters
    ----------
    entropy
        What its secret is made of.
    close
        Seals that secret.

    Raises
    ------
    ReceiverNotAllowedError, UnknownEventTypeError, TooManyWebhooksError
    """
    webhooks.receiver_of(url, allowed)
    check_types(types)
    if await uow.webhooks.count() >= MOST:
        raise TooManyWebhooksError(f"there are {MOST} webhooks already")
    webhook = Webhook(
        id=uuid4().hex[:24],
        url=url,
        types=tuple(types),
        secret=close(webhooks.secret_of(entropy)),
        enabled=True,
        cursor=await uow.history.position() if after is None else after,
        done=frozenset(),
        revision=1,
        created_at=uow.now,
    )
    uow.webhooks.put(webhook)
    uow.wake(DELIVER)
    return webhook


async def change(
    uow: LineageUnitOfWork,
    webhook_id: str,
    *,
    enabled: bool | None,
    types: Sequence[str] | None,
) -> Webhook:
    """Switch a receiver off or on, or change what it is told.

    Raises
    ------
    UnknownWebhookError, UnknownEventTypeError
    """
    webhook = await found(uow, webhook_id)
    if types is not None:
        check_types(types)
        webhook = replace(webhook, types=tuple(types))
    if enabled is not None:
        webhook = replace(webhook, enabled=enabled, failures=0, next_try=None, held_since=None)
    uow.webhooks.put(replace(webhook, revision=webhook.revision + 1))
    uow.wake(DELIVER)
    return webhook


async def replay(uow: LineageUnitOfWork, webhook_id: str, start: int | datetime) -> Webhook:
    """Let a receiver be told again from a position, or a time, on: also forwards, to skip.

    Raises
    ------
    UnknownWebhookError
    """
    webhook = await found(uow, webhook_id)
    if isinstance(start, datetime):
        cursor = await uow.history.before(start)
    else:
        cursor = max(0, min(start - 1, await uow.history.position()))
    moved = replace(
        webhook,
        cursor=cursor,
        done=frozenset(),
        failures=0,
        next_try=None,
        held_since=None,
        revision=webhook.revision + 1,
    )
    uow.webhooks.put(moved)
    uow.wake(DELIVER)
    return moved


async def unsubscribe(uow: LineageUnitOfWork, webhook_id: str) -> None:
    """Remove a receiver.

    Raises
    ------
    UnknownWebhookError
    """
    await found(uow, webhook_id)
    uow.webhooks.delete(webhook_id)


async def reseal(uow: LineageUnitOfWork, renewed: Callable[[str], str | None]) -> int:
    """Put every secret under the first key; returns how many were not.

    Parameters
    ----------
    renewed
        A stored secret under the first key; None: it is already.
    """
    changed = 0
    for webhook in await uow.webhooks.all():
        secret = renewed(webhook.secret)
        if secret is not None:
            uow.webhooks.put(replace(webhook, secret=secret))
            changed += 1
    return changed


async def found(uow: LineageUnitOfWork, webhook_id: str) -> Webhook:
    """A webhook.

    Raises
    ------
    UnknownWebhookError
    """
    webhook = await uow.webhooks.get(webhook_id)
    if webhook is None:
        raise UnknownWebhookError(f"there is no webhook {webhook_id}")
    return webhook


async def measure(uow: LineageUnitOfWork) -> None:
    """Set for how long each receiver has held up what is next, also once it is given up for it."""
    metrics.webhook_held_seconds.clear()
    for webhook in await uow.webhooks.all():
        since = webhook.held_since
        held = (uow.now - since).total_seconds() if since is not None else 0.0
        metrics.webhook_held_seconds.labels(webhook.id).set(max(0.0, held))


def wanted_by(webhook: Webhook) -> Wanted:
    """Which events a receiver is told; what republishing only says again is no news to it."""
    return Wanted(types=webhook.types, snapshots=False)


async def lag_of(uow: LineageUnitOfWork, webhook: Webhook) -> int:
    """How many events a receiver is still to be told, up to 10,000."""
    return await uow.history.count(wanted_by(webhook), webhook.cursor)


def check_types(types: Sequence[str]) -> None:
    """Refuse a type that no event has: it would wait in silence for ever.

    Raises
    ------
    UnknownEventTypeError
    """
    for name in types:
        if name not in BY_TYPE:
            there = ", ".join(sorted(BY_TYPE))
            raise UnknownEventTypeError(f"no event has the type {name!r}; there are {there}")
