"""``wakeline backlog`` and ``wakeline dead | waiting | parked``, for the operator."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from wakeline_sdk.cli.command import Session, command, group
from wakeline_sdk.cli.showing import short, when

ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="Whose event it is.")]
AnyService = Annotated[
    str | None, typer.Argument(metavar="[SERVICE]", help="All services if not given.")
]
EventId = Annotated[str, typer.Argument(metavar="EVENT", help="As `list` names it.")]
KINDS = {
    "dead": "Events that were given up, with their cause.",
    "waiting": "Events that name something that is not known yet.",
    "parked": "Events that wait for an earlier one of their key.",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "backlog")(backlog)
    for kind, about in KINDS.items():
        events = group(app, kind, about)
        command(events, "list")(_lister(kind))
        command(events, "show")(_shower(kind))
        if kind == "dead":
            command(events, "retry")(retry)
            command(events, "discard")(discard)


def backlog(session: Session, service: AnyService = None) -> None:
    """Show how far services are behind: what is to be sent, handled, or looked at by a person."""
    found = [
        {"service": name, **session.client.operations.backlog(name).model_dump()}
        for name in _services(session, service)
    ]
    columns = {
        "service": lambda one: one["service"],
        "outbox": lambda one: one["outbox_rows"],
        "oldest": lambda one: f"{one['outbox_oldest_seconds']:.1f} s",
        **{kind: _field(kind) for kind in ("dead", "parked", "waiting", "jobs")},
    }
    session.display.rows(found, columns, none="no service runs")


def retry(session: Session, service: ServiceName, event: EventId) -> None:
    """Try a dead event again; those parked behind it follow in sequence."""
    session.client.operations.retry(service, event)
    _done(session, event, "will be tried again")


def discard(
    session: Session,
    service: ServiceName,
    event: EventId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Let a dead event go for good; those parked behind it follow in sequence."""
    if not yes:
        typer.confirm(f"Discard {event} of {service}? What it says is lost here.", abort=True)
    session.client.operations.discard(service, event)
    _done(session, event, "is discarded")


def _lister(kind: str) -> Callable[..., None]:
    def list_events(session: Session, service: AnyService = None) -> None:
        columns = {
            "service": lambda one: one["service"],
            "event": lambda one: one["id"],
            "type": lambda one: one["type"],
            "key": lambda one: short(one["key"]),
            "sequence": lambda one: one["sequence"],
            "since": lambda one: when(one["since"]),
            "tries": lambda one: one["tries"],
            "why": lambda one: one["cause"] or one["name"],
        }
        session.display.rows(
            _events(session, kind, service), columns, none=f"there is no {kind} event"
        )

    list_events.__doc__ = f"List the {kind} events of a service, or of all."
    return list_events


def _shower(kind: str) -> Callable[..., None]:
    def show_event(session: Session, service: ServiceName, event: EventId) -> None:
        session.display.one(session.client.operations.event(service, kind, event))

    show_event.__doc__ = f"Show one {kind} event with its data."
    return show_event


def _events(session: Session, kind: str, service: str | None) -> Iterator[dict[str, Any]]:
    for name in _services(session, service):
        for event in session.client.operations.events(name, kind):
            yield {"service": name, **event.model_dump()}


def _services(session: Session, service: str | None) -> list[str]:
    return [service] if service is not None else sorted(session.client.operations.services())


def _field(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda one: one[name]


def _done(session: Session, event: str, what: str) -> None:
    if session.display.as_json:
        session.display.one({"id": event, "done": what})
    else:
        session.display.say(f"{event} {what}")
