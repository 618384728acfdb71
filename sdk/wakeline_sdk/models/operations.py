"""How far services are behind, and the events and jobs that are in trouble."""

from datetime import datetime
from typing import Any

from wakeline_sdk.shapes import Wire


class TroubledEvent(Wire):
    """An event that is dead, waiting or parked."""

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


class Job(Wire):
    """Work that is queued, under way, or was given up."""

    id: str
    kind: str
    state: str
    """``queued``, ``running`` or ``failed``."""
    attempt: int
    """How often it was begun; trying it again begins anew."""
    asked_at: datetime
    not_before: datetime
    """When it is due; of a running one, when it is taken for lost unless its runner says more."""
    failed_at: datetime | None
    error: str | None
    """What the last attempt that failed ended in."""
    payload: dict[str, Any] | None
    """What it is to work on; None in lists."""


class Operation(Wire):
    """What an operator decided: about an event or a job in trouble, or to have state said again."""

    id: str
    at: datetime
    by: str
    """The operator's person id."""
    action: str
    """``retry-event``, ``discard-event``, ``skip-lost``, ``retry-job``, ``discard-job`` or
    ``republish``."""
    subject: str
    """The id of the event or the job; of what is said again, the type of its events."""
    reason: str | None = None
    row: dict[str, Any] | None = None
    """All of the event or the job as it was; of lost events their stream, and the first and last
    sequence; of what is said again its key and how much was said so far. None in lists."""


class Backlog(Wire):
    """How far a service is behind."""

    outbox_rows: int
    outbox_oldest_seconds: float
    dead: int
    parked: int
    waiting: int
    oldest_seconds: dict[str, float] = {}
    """Age of the oldest dead, parked and waiting event, of those there are."""
    jobs: dict[str, int]
    """By state."""
    lag: dict[str, int] | None = None
    """Topic -> events that are not taken in yet; None while no broker answers."""
    taken_in: int | None = None
    """Counts events taken in, replayed ones again: two answers give a throughput."""
    published: int | None = None
    """Counts events sent, likewise."""


class ReplayPart(Wire):
    """One partition of a replay."""

    partition: int
    start: int
    until: int
    """The offset that it had reached before."""
    state: str
    """``asked``, ``running`` or ``done``."""


class Replay(Wire):
    """A topic that is read again, or was."""

    id: str
    topic: str
    start: int | datetime | str
    asked_at: datetime
    asked_by: str
    partitions: tuple[ReplayPart, ...]
    ended_at: datetime | None = None
