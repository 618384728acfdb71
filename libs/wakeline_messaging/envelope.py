"""An event on the wire: CloudEvents 1.0 in Kafka's binary mode, plus our order and trace.

The data is the record's value, everything else travels in headers: the required attributes
``ce_id``, ``ce_source``, ``ce_specversion`` and ``ce_type``, the optional ``ce_time`` and
``ce_dataschema``, and as extensions ``ce_sequence`` (position in the key's stream, from 1) and
``ce_correlationid``; the trace context is the plain header ``traceparent`` of W3C.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from wakeline_events.base import Event
from wakeline_events.registry import BY_TYPE, schema_name

MAX_EVENT_BYTES = 512 * 1024
"""``emit`` refuses more: geometry goes to a blob first."""

MAX_SEQUENCE = 2**53
"""More than any stream will ever hold, and less than what a database can no longer count."""

Headers = list[tuple[str, bytes]]


class MalformedRecordError(Exception):
    """A record that is no event of Wakeline at all: it has no place in any order."""

    code = "malformed-record"


class UnknownMajorError(Exception):
    """An event of a newer major version: only a newer release can read it."""

    code = "unknown-major"


class EventTooLargeError(Exception):
    """An event that holds what should have been a blob."""

    code = "event-too-large"


@dataclass(frozen=True)
class Envelope:
    """One event with everything that travels beside its data."""

    topic: str
    key: str
    sequence: int
    id: str
    type: str
    dataschema: str
    time: datetime
    data: bytes
    trace: str | None = None
    correlation: str | None = None
    snapshot: bool = False
    """Tells of state as it is, not of something that happened: a stream may begin with it."""

    @cached_property
    def stream(self) -> str:
        """The stream whose order counts: one key of one topic."""
        return f"{self.topic}|{self.key}"

    @property
    def row_id(self) -> str:
        """Names the event in ``parked``, ``waiting`` and ``dead``."""
        return f"{self.stream}|{self.sequence}"

    def event(self) -> Event:
        """The event itself; its data is read once.

        Raises
        ------
        UnknownMajorError
            If its schema's major version is newer than ours.
        ValueError
            If the data does not fit the schema.
        """
        return self._event

    @cached_property
    def _event(self) -> Event:
        known = BY_TYPE[self.type]
        theirs = self.dataschema.rsplit("/", 1)[-1].removesuffix(".json").split(".")[0]
        if theirs.isdigit() and int(theirs) > int(known.VERSION.split(".")[0]):
            raise UnknownMajorError(
                f"{self.type} comes as version {theirs}, we read {known.VERSION}"
            )
        return known.read(self.data)

    def headers(self) -> Headers:
        """The record's headers."""
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", self.id.encode()),
            ("ce_source", f"/wakeline/{self.topic.rsplit('.', 1)[-1]}".encode()),
            ("ce_type", self.type.encode()),
            ("ce_time", self.time.isoformat().encode()),
            ("ce_dataschema", self.dataschema.encode()),
            ("ce_sequence", str(self.sequence).encode()),
            ("content-type", b"application/json"),
        ]
        if self.correlation:
            headers.append(("ce_correlationid", self.correlation.encode()))
        if self.trace:
            headers.append(("traceparent", self.trace.encode()))
        if self.snapshot:
            headers.append(("ce_snapshot", b"true"))
        return headers

    def document(self) -> dict[str, Any]:
        """The event as a row of ``parked``, ``waiting`` or ``dead``."""
        return {
            "_id": self.row_id,
            "stream": self.stream,
            "topic": self.topic,
            "key": self.key,
            "sequence": self.sequence,
            "event_id": self.id,
            "type": self.type,
            "dataschema": self.dataschema,
            "time": self.time,
            "data": self.data,
            "trace": self.trace,
            "correlation": self.correlation,
            "snapshot": self.snapshot,
        }


def from_document(row: dict[str, Any]) -> Envelope:
    """The event of a row of ``parked``, ``waiting`` or ``dead``.

    Raises
    ------
    MalformedRecordError
        If the row holds a record that never was an event.
    """
    try:
        return Envelope(
            topic=row["topic"],
            key=row["key"],
            sequence=row["sequence"],
            id=row["event_id"],
            type=row["type"],
            dataschema=row["dataschema"],
            time=row["time"],
            data=bytes(row["data"]),
            trace=row.get("trace"),
            correlation=row.get("correlation"),
            snapshot=row.get("snapshot", False),
        )
    except KeyError as error:
        raise MalformedRecordError(f"no event of ours: {error!r}") from error


def from_record(topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> Envelope:
    """Read a Kafka record.

    Raises
    ------
    MalformedRecordError
        If a required attribute is missing or unreadable.
    """
    found = dict(headers)
    try:
        if key is None or value is None:
            raise ValueError("no key or no value")
        if found["ce_specversion"] != b"1.0":
            raise ValueError(f"specversion {found['ce_specversion']!r}")
        sequence = int(found["ce_sequence"])
        if not 1 <= sequence <= MAX_SEQUENCE:
            raise ValueError(f"sequence {found['ce_sequence'][:40]!r}")
        return Envelope(
            topic=topic,
            key=key.decode(),
            sequence=sequence,
            id=found["ce_id"].decode(),
            type=found["ce_type"].decode(),
            dataschema=found.get("ce_dataschema", b"").decode(),
            time=_moment(found.get("ce_time")),
            data=value,
            trace=_text(found.get("traceparent")),
            correlation=_text(found.get("ce_correlationid")),
            snapshot=found.get("ce_snapshot") == b"true",
        )
    except (KeyError, ValueError) as error:
        raise MalformedRecordError(f"no event of ours: {error!r}") from error


def encode(event: Event) -> bytes:
    """The event's data as JSON.

    Raises
    ------
    EventTooLargeError
        Above 512 KiB.
    """
    data = event.model_dump_json().encode()
    if len(data) > MAX_EVENT_BYTES:
        raise EventTooLargeError(
            f"{event.TYPE} of {len(data)} bytes: more than {MAX_EVENT_BYTES} must travel as a blob"
        )
    return data


def schema_of(event: Event) -> str:
    """What ``ce_dataschema`` says of this event."""
    return schema_name(type(event))


def _moment(value: bytes | None) -> datetime:
    if not value:
        return datetime.now(UTC)
    moment = datetime.fromisoformat(value.decode())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(value: bytes | None) -> str | None:
    return value.decode() if value else None
