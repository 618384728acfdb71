"""``wakeline backlog``, ``dead | waiting | parked``, ``jobs``, ``replay``: for operators."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from wakeline_sdk.cli.command import Session, command, group
from wakeline_sdk.cli.showing import short, when
from wakeline_sdk.models import Backlog

ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="Whose event it is.")]
JobService = Annotated[str, typer.Argument(metavar="SERVICE", help="Whose job it is.")]
AnyService = Annotated[
    str | None, typer.Argument(metavar="[SERVICE]", help="All services if not given.")
]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="As `list` names it.")]
EventId = Annotated[str, typer.Argument(metavar="EVENT", help="As `list` names it.")]
Reason = Annotated[
    str | None, typer.Option(help="Why: it is kept with who decided, see `wakeline operations`.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
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
        if kind == "parked":
            command(events, "skip")(skip)
    jobs = group(app, "jobs", "Work that is queued, under way, or was given up, with its cause.")
    command(jobs, "list")(list_jobs)
    command(jobs, "show")(show_job)
    command(jobs, "retry")(retry_job)
    command(jobs, "discard")(discard_job)
    decided = group(
        app,
        "operations",
        "What operators decided: about events and jobs in trouble, and what was said again.",
    )
    command(decided, "list")(list_operations)
    command(decided, "show")(show_operation)
    command(app, "replay")(replay)
    command(app, "replays")(replays)
    command(app, "republish")(republish)


def backlog(
    session: Session,
    service: AnyService = None,
    over: Annotated[
        float, typer.Option(min=0, help="Seconds over which events in and out are counted.")
    ] = 0.0,
) -> None:
    """Show how far services are behind: what is to be sent, handled, or looked at by a person."""
    names = _services(session, service)
    before, began = _standings(session, names) if over else {}, time.monotonic()
    time.sleep(over)
    found = []
    for name, now in _standings(session, names).items():
        row = {"service": name, **now.model_dump()}
        if over:
            passed = time.monotonic() - began
            row["in_per_second"] = _rate(before[name].taken_in, now.taken_in, passed)
            row["out_per_second"] = _rate(before[name].published, now.published, passed)
        found.append(row)
    columns = {
        "service": lambda one: one["service"],
        "lag": _lag,
        "outbox": lambda one: one["outbox_rows"],
        "oldest": lambda one: f"{one['outbox_oldest_seconds']:.1f} s",
        **{kind: _count(kind) for kind in KINDS},
        "jobs": _field("jobs"),
    }
    if over:
        columns |= {"in/s": _field("in_per_second"), "out/s": _field("out_per_second")}
    session.display.rows(found, columns, none="no service runs")


def replay(
    session: Session,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="Who is to read again.")],
    topic: Annotated[str, typer.Option(help="The topic, or the service that publishes on it.")],
    start: Annotated[
        str,
        typer.Option(
            "--from", help="`beginning`, an offset, or a time such as 2026-03-01T03:00:00Z."
        ),
    ] = "beginning",
) -> None:
    """Let a running service read a topic again: known events are skipped, lost ones healed."""
    given = int(start) if start.isdigit() else start
    asked = session.client.operations.replay(service, topic, given)
    _done(session, asked, f"is asked for; `wakeline replays {service}` shows how far it is")


def republish(
    session: Session,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="Whose state it is.")],
    event_type: Annotated[str, typer.Option("--type", help="Such as label.accepted.")],
    key: Annotated[
        str | None,
        typer.Option(help="Only this one: an asset, project:ID, team:ID or a stage. Else all."),
    ] = None,
) -> None:
    """Let a service say its state again, for a consumer that Kafka no longer tells of it."""
    said = session.client.operations.republish(service, event_type, key)
    if session.display.as_json:
        session.display.one({"service": service, "type": event_type, "published": said})
    else:
        session.display.say(f"{said} events are on their way")


def replays(session: Session, service: AnyService = None) -> None:
    """List the replays of a service, or of all, newest first."""
    found = (
        {"service": name, **one.model_dump()}
        for name in _services(session, service)
        for one in session.client.operations.replays(name)
    )
    columns = {
        "service": _field("service"),
        "replay": _field("id"),
        "topic": _field("topic"),
        "from": _field("start"),
        "asked": lambda one: when(one["asked_at"]),
        "by": _field("asked_by"),
        "partitions": lambda one: Counter(part["state"] for part in one["partitions"]),
        "ended": lambda one: when(one["ended_at"]),
    }
    session.display.rows(found, columns, none="nothing was ever replayed")


def skip(
    session: Session,
    service: ServiceName,
    event: EventId,
    reason: Reason = None,
    yes: Yes = False,
) -> None:
    """Give up the lost events that a parked one waits for; try `wakeline replay` first."""
    if not yes:
        typer.confirm(f"Go on with {event} of {service} without what was before it?", abort=True)
    session.client.operations.skip(service, event, reason)
    _done(session, event, "follows now")


def retry(session: Session, service: ServiceName, event: EventId, reason: Reason = None) -> None:
    """Try a dead event again; those parked behind it follow in sequence."""
    session.client.operations.retry(service, event, reason)
    _done(session, event, "will be tried again")


def discard(
    session: Session,
    service: ServiceName,
    event: EventId,
    reason: Reason = None,
    yes: Yes = False,
) -> None:
    """Let a dead event go for good; those parked behind it follow in sequence."""
    if not yes:
        typer.confirm(f"Discard {event} of {service}? What it says is lost here.", abort=True)
    session.client.operations.discard(service, event, reason)
    _done(session, event, "is discarded")


def list_jobs(
    session: Session,
    service: AnyService = None,
    state: Annotated[
        str, typer.Option(help="`failed`: given up; or `queued`, `running`.")
    ] = "failed",
) -> None:
    """List the jobs of a service, or of all, that are in a state: those given up if not given."""
    found = (
        {"service": name, **job.model_dump()}
        for name in _services(session, service)
        for job in session.client.operations.jobs(name, state)
    )
    columns = {
        "service": _field("service"),
        "job": _field("id"),
        "asked": lambda one: when(one["asked_at"]),
        "since": lambda one: when(one["failed_at"] or one["not_before"]),
        "attempts": _field("attempt"),
        "why": _field("error"),
    }
    session.display.rows(found, columns, none=f"no job is {state}")


def show_job(session: Session, service: JobService, job: JobId) -> None:
    """Show one job with its last error and what it is to work on."""
    session.display.one(session.client.operations.job(service, job))


def retry_job(session: Session, service: JobService, job: JobId, reason: Reason = None) -> None:
    """Run a job that was given up again, with all of its attempts."""
    session.client.operations.retry_job(service, job, reason)
    _done(session, job, "will be run again")


def discard_job(
    session: Session,
    service: JobService,
    job: JobId,
    reason: Reason = None,
    yes: Yes = False,
) -> None:
    """Forget a job that was given up; what asks for it again gets it."""
    if not yes:
        typer.confirm(f"Discard {job} of {service}? What it was to do is not done.", abort=True)
    session.client.operations.discard_job(service, job, reason)
    _done(session, job, "is discarded")


def list_operations(session: Session, service: AnyService = None) -> None:
    """List what operators tried again, gave up or had said again, newest first."""
    found = (
        {"service": name, **one.model_dump()}
        for name in _services(session, service)
        for one in session.client.operations.log(name)
    )
    columns = {
        "service": _field("service"),
        "operation": _field("id"),
        "at": lambda one: when(one["at"]),
        "by": _field("by"),
        "did": _field("action"),
        "what": _field("subject"),
        "why": _field("reason"),
    }
    session.display.rows(found, columns, none="nothing was ever decided")


def show_operation(
    session: Session,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="Where it was decided.")],
    operation: Annotated[str, typer.Argument(metavar="OPERATION", help="As `list` names it.")],
) -> None:
    """Show one decision, with all of the event or the job as it was."""
    session.display.one(session.client.operations.operation(service, operation))


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


def _standings(session: Session, names: list[str]) -> dict[str, Backlog]:
    return {name: session.client.operations.backlog(name) for name in names}


def _rate(before: int | None, now: int | None, seconds: float) -> float | None:
    return None if before is None or now is None else round((now - before) / seconds, 1)


def _lag(one: dict[str, Any]) -> object:
    return "unknown" if one["lag"] is None else sum(one["lag"].values())


def _count(kind: str) -> Callable[[dict[str, Any]], object]:
    def shown(one: dict[str, Any]) -> object:
        age = one["oldest_seconds"].get(kind)
        return one[kind] if age is None else f"{one[kind]} ({age:.0f} s)"

    return shown


def _field(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda one: one[name]


def _done(session: Session, event: str, what: str) -> None:
    if session.display.as_json:
        session.display.one({"id": event, "done": what})
    else:
        session.display.say(f"{event} {what}")
