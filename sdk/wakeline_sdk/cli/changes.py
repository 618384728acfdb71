"""``wakeline changes`` and ``wakeline webhooks``, for integrators."""

from datetime import datetime
from typing import Annotated

import typer

from wakeline_sdk.cli.command import Session, command, group
from wakeline_sdk.cli.showing import Columns, short, when
from wakeline_sdk.models import HistoryEvent, Webhook

Types = Annotated[
    list[str] | None, typer.Option("--type", help="Event type; repeatable; all if not given.")
]
WebhookId = Annotated[str, typer.Argument(metavar="WEBHOOK", help="As `webhooks list` names it.")]

_WEBHOOK: Columns = {
    "webhook": lambda one: one.id,
    "url": lambda one: one.url,
    "types": lambda one: one.types or "all",
    "on": lambda one: one.enabled,
    "position": lambda one: one.position,
    "behind": lambda one: one.lag,
    "delivered": lambda one: when(one.delivered_at),
    "failures": lambda one: one.failures,
    "why": lambda one: one.last_error,
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "changes")(changes)
    webhooks = group(app, "webhooks", "Receivers that are told what happens.")
    command(webhooks, "list")(list_webhooks)
    command(webhooks, "add")(add)
    command(webhooks, "show")(show)
    command(webhooks, "test")(test)
    command(webhooks, "replay")(replay)
    command(webhooks, "disable")(disable)
    command(webhooks, "enable")(enable)
    command(webhooks, "remove")(remove)
    command(webhooks, "reseal")(reseal)


def changes(
    session: Session,
    after: Annotated[
        int | None,
        typer.Option("--from", min=0, help="Position that was read last; 0 begins at the start."),
    ] = None,
    type: Types = None,
    snapshots: Annotated[
        bool, typer.Option("--snapshots", help="Also what republishing has only said again.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until interrupted.")
    ] = False,
) -> None:
    """Print what happened since a position; with --follow what happens from now on."""
    feed = session.client.changes
    if after is None:
        after = feed.position() if follow else 0
    events = feed(after, types=type or (), snapshots=snapshots, follow=follow)
    if session.display.as_json:
        session.display.rows(events, {}, none="")
        return
    for event in events:
        session.display.say(_line(event))


def list_webhooks(session: Session) -> None:
    """List all receivers with how far they are."""
    session.display.rows(session.client.webhooks.list(), _WEBHOOK, none="nobody is told")


def add(
    session: Session,
    receiver: Annotated[str, typer.Argument(metavar="URL", help="Where events are posted to.")],
    type: Types = None,
    after: Annotated[
        int | None,
        typer.Option("--from", min=0, help="Send what is behind this position; now if not given."),
    ] = None,
) -> None:
    """Add a receiver; the answer holds the secret that signs its events, this once."""
    added = session.client.webhooks.create(receiver, types=type or (), after=after)
    _show(session, added, secret=added.secret)


def show(session: Session, webhook: WebhookId) -> None:
    """Show a receiver, how far it is, and why it waits if it does."""
    _show(session, session.client.webhooks.get(webhook))


def test(session: Session, webhook: WebhookId) -> None:
    """Send a signed test now, and say what the receiver answered."""
    said = session.client.webhooks.test(webhook)
    if session.display.as_json:
        session.display.one(said)
    else:
        session.display.say("delivered" if said.delivered else f"not delivered: {said.detail}")
    if not said.delivered:
        raise typer.Exit(1)


def replay(
    session: Session,
    webhook: WebhookId,
    start: Annotated[
        str, typer.Option("--from", help="A position, or a time with its zone (RFC 3339).")
    ],
) -> None:
    """Tell a receiver again from a position or a time on; a later one skips what is between."""
    try:
        parsed = int(start) if start.isdigit() else datetime.fromisoformat(start)
    except ValueError as error:
        raise typer.BadParameter(f"{start!r} is neither a position nor a time") from error
    _show(session, session.client.webhooks.replay(webhook, parsed))


def disable(session: Session, webhook: WebhookId) -> None:
    """Send a receiver nothing until it is switched on again; nothing is lost meanwhile."""
    _show(session, session.client.webhooks.change(webhook, enabled=False))


def enable(session: Session, webhook: WebhookId) -> None:
    """Go on where a receiver was switched off."""
    _show(session, session.client.webhooks.change(webhook, enabled=True))


def remove(session: Session, webhook: WebhookId) -> None:
    """Remove a receiver."""
    session.client.webhooks.delete(webhook)
    if session.display.as_json:
        session.display.one({"id": webhook, "done": "removed"})
    else:
        session.display.say(f"{webhook} is removed")


def reseal(session: Session) -> None:
    """Put every secret under the first key of the settings: then the other keys can go."""
    count = session.client.webhooks.reseal()
    if session.display.as_json:
        session.display.one({"resealed": count})
    else:
        session.display.say(f"{count} secrets were under another key, or none; now all are")


def _show(session: Session, webhook: Webhook, **more: object) -> None:
    facts = {name: value(webhook) for name, value in _WEBHOOK.items()} | more
    session.display.one(webhook, facts)


def _line(event: HistoryEvent) -> str:
    return f"{event.position}  {when(event.time)}  {event.type}  {short(event.key)}"
