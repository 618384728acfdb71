"""How far services are behind, and the events that are in trouble."""

from datetime import datetime

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


class Backlog(Wire):
    """How far a service is behind."""

    outbox_rows: int
    outbox_oldest_seconds: float
    dead: int
    parked: int
    waiting: int
    jobs: dict[str, int]
    """By state."""
