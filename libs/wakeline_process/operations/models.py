"""What the operator's routes take and answer."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field

from wakeline_events.strict import Strict
from wakeline_messaging import JobState
from wakeline_messaging.dead import Trouble
from wakeline_messaging.decided import Action


class TroubledEvent(BaseModel):
    """An event that is not simply handled."""

    id: str
    topic: str
    key: str
    sequence: int
    type: str
    since: datetime | None = None
    tries: int = 0
    cause: str | None = None
    name: str | None = None
    """What a waiting event waits for."""
    data: str | None = None


class JobOut(BaseModel):
    """Work that is queued, under way, or was given up."""

    id: str
    kind: str
    state: JobState
    attempt: int
    """How often it was begun; trying it again begins anew."""
    asked_at: datetime
    not_before: datetime
    """When it is due; of a running one, when it is taken for lost unless its runner says more."""
    failed_at: datetime | None
    error: str | None
    """What the last attempt that failed ended in."""
    payload: dict[str, Any] | None


class Operation(BaseModel):
    """What an operator decided: about an event or a job in trouble, or to have state said again."""

    id: str
    at: datetime
    by: str
    """The operator's person id."""
    action: Action
    subject: str
    """The id of the event or the job; of what is said again, the type of its events."""
    reason: str | None
    row: dict[str, Any] | None
    """All of the event or the job as it was; of lost events their stream, and the first and last
    sequence; of what is said again, whose it is (``key``), after what it began (``after``), how
    much was said so far (``published``), and where it goes on (``next``). None in lists."""


class Done(BaseModel):
    """What is remembered of a decision: that it was taken."""


class Backlog(BaseModel):
    """How far a service is behind."""

    outbox_rows: int
    outbox_oldest_seconds: float
    dead: int
    parked: int
    waiting: int
    oldest_seconds: dict[Trouble, float]
    """Age of the oldest dead, parked and waiting event, of those there are."""
    jobs: dict[str, int]
    lag: dict[str, int] | None
    """Topic -> events that are not taken in yet; None while no broker answers."""
    taken_in: int | None
    """Counts every event taken in, and every replayed one again: two answers give a throughput."""
    published: int | None
    """Counts every event sent, likewise."""


def _text(value: object) -> object:
    """A time is written as text: a number is an offset, and never seconds since 1970."""
    if not isinstance(value, str | datetime):
        raise ValueError("a time is written as text, with its zone")
    return value


class ReplayIn(Strict):
    """What is to be read again."""

    topic: str
    """A topic that the service reads; its producer's name is enough."""
    start: Annotated[
        Literal["beginning"]
        | Annotated[int, Field(ge=0, strict=True)]
        | Annotated[AwareDatetime, BeforeValidator(_text)],
        Field(alias="from"),
    ]
    """``beginning``, an offset of each partition, or a time with its zone."""


class ReplayPart(BaseModel):
    """One partition of a replay."""

    partition: int
    start: int
    """The offset that it was turned back to."""
    until: int
    """The offset that it had reached before."""
    state: Literal["asked", "running", "done"]


class Replay(BaseModel):
    """A topic that is read again, or was."""

    id: str
    topic: str
    start: Literal["beginning"] | int | datetime
    asked_at: datetime
    asked_by: str
    partitions: list[ReplayPart]
    """Those that a consumer has turned to so far."""
    ended_at: datetime | None


class RepublishIn(Strict):
    """Which state is to be said again."""

    type: str
    key: str | None = None
    """Only this key's: an asset, ``project:<id>``, ``team:<id>`` or a stage; all if not given."""
    after: str = ""
    """``next`` of the answer before."""


class Republished(BaseModel):
    """What was said again so far."""

    published: int
    """Events of this page, in the outbox now."""
    next: str | None
    """Where to go on; None when all is said."""


class ReplayAsked(BaseModel):
    """The answer to who asks for a replay."""

    id: str


def troubled_event(row: dict[str, Any]) -> TroubledEvent:
    """An event in trouble as it is answered, from its row."""
    data = row.get("data")
    return TroubledEvent(
        id=row["_id"],
        topic=row["topic"],
        key=row["key"],
        sequence=row["sequence"],
        type=row["type"],
        since=row.get("since"),
        tries=row.get("tries", 0),
        cause=row.get("cause"),
        name=row.get("name"),
        data=bytes(data).decode(errors="replace") if data is not None else None,
    )


def job_out(row: dict[str, Any]) -> JobOut:
    """A job as it is answered, from its row."""
    return JobOut(
        id=row["_id"],
        asked_at=row["created_at"],
        failed_at=row.get("failed_at"),
        error=row.get("error"),
        payload=row.get("payload"),
        **{name: row[name] for name in ("kind", "state", "attempt", "not_before")},
    )


def operation(row: dict[str, Any]) -> Operation:
    """A decision as it is answered, from its row."""
    about = row.get("row")
    if about is not None:
        about = {
            name: value.decode(errors="replace") if isinstance(value, bytes) else value
            for name, value in about.items()
        }
    known = {name: row[name] for name in ("at", "by", "action", "subject", "reason")}
    return Operation(id=row["_id"], row=about, **known)


def replay(row: dict[str, Any]) -> Replay:
    """A replay as it is answered, from its row."""
    parts = [
        ReplayPart(
            partition=int(number),
            start=part["from"],
            until=part["until"],
            state="done" if "done" in part else "running" if "turned" in part else "asked",
        )
        for number, part in sorted(row["partitions"].items(), key=lambda item: int(item[0]))
    ]
    known = {name: row[name] for name in ("topic", "start", "asked_at", "asked_by", "ended_at")}
    return Replay(id=row["_id"], partitions=parts, **known)
