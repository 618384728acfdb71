"""An event on the wire, read by another implementation of CloudEvents."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event

from wakeline_events.prediction import PredictionFailed
from wakeline_messaging.envelope import (
    Envelope,
    EventTooLargeError,
    MalformedRecordError,
    UnknownMajorError,
    encode,
    from_document,
    from_record,
    schema_of,
)

EVENT = PredictionFailed(
    asset_id="fields:00",
    stage_id="weeds/outline",
    task_id="t1",
    predictor="own",
    serving_epoch=3,
    code="no-pixels",
    reason="the image could not be read",
)
ENVELOPE = Envelope(
    topic="wakeline.prediction",
    key=EVENT.key,
    sequence=7,
    id="e1",
    type=EVENT.TYPE,
    dataschema=schema_of(EVENT),
    time=datetime(2026, 5, 1, 12, tzinfo=UTC),
    data=encode(EVENT),
    trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    correlation="c1",
)


def test_what_is_sent_is_what_is_read() -> None:
    read = from_record(
        ENVELOPE.topic, ENVELOPE.key.encode(), ENVELOPE.data, list(ENVELOPE.headers())
    )
    assert read == ENVELOPE
    assert read.event() == EVENT
    assert from_document(ENVELOPE.document()) == ENVELOPE


def test_another_implementation_reads_our_records() -> None:
    message = KafkaMessage(
        headers=dict(ENVELOPE.headers()), key=ENVELOPE.key.encode(), value=ENVELOPE.data
    )
    event = from_binary_event(message)
    assert event.get_type() == "prediction.failed"
    assert event.get_source() == "/wakeline/prediction"
    assert event.get_dataschema() == "events/prediction.failed/1.json"
    assert event.get_data()["serving_epoch"] == 3  # type: ignore[call-overload, index]


@pytest.mark.parametrize("missing", ["ce_id", "ce_type", "ce_sequence", "ce_specversion"])
def test_a_record_without_a_required_attribute_is_malformed(missing: str) -> None:
    headers = [(k, v) for k, v in ENVELOPE.headers() if k != missing]
    with pytest.raises(MalformedRecordError):
        from_record(ENVELOPE.topic, b"k", b"{}", headers)


@pytest.mark.parametrize("sequence", ["0", "-1", "first", "9" * 19, "9" * 400, "9" * 5_000])
def test_a_sequence_that_no_database_can_count_is_malformed(sequence: str) -> None:
    headers = dict(ENVELOPE.headers()) | {"ce_sequence": sequence.encode()}
    with pytest.raises(MalformedRecordError):
        from_record(ENVELOPE.topic, b"k", b"{}", list(headers.items()))


def test_a_time_without_a_zone_is_utc() -> None:
    headers = dict(ENVELOPE.headers()) | {"ce_time": b"2026-01-01T00:00:00"}
    told = from_record(ENVELOPE.topic, b"k", b"{}", list(headers.items()))
    assert told.time == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_newer_major_version_is_told_from_a_bad_event() -> None:
    headers = dict(ENVELOPE.headers()) | {"ce_dataschema": b"events/prediction.failed/2.json"}
    newer = from_record(ENVELOPE.topic, b"k", ENVELOPE.data, list(headers.items()))
    with pytest.raises(UnknownMajorError):
        newer.event()


def test_a_newer_minor_version_is_read_without_what_we_do_not_know() -> None:
    headers = dict(ENVELOPE.headers()) | {"ce_dataschema": b"events/prediction.failed/1.3.json"}
    data = ENVELOPE.data[:-1] + b',"new_field":1}'
    assert from_record(ENVELOPE.topic, b"k", data, list(headers.items())).event() == EVENT


def test_an_event_above_the_limit_is_refused() -> None:
    with pytest.raises(EventTooLargeError, match="blob"):
        encode(EVENT.model_copy(update={"reason": "x" * 600_000}))


def test_an_event_keeps_what_it_was_read_from_until_it_is_changed() -> None:
    newer = orjson.dumps({**orjson.loads(ENVELOPE.data), "of_a_newer_writer": 1})
    event = replace(ENVELOPE, data=newer).event()
    assert event == EVENT
    assert event.plain == orjson.loads(newer)
    changed = event.model_copy(update={"serving_epoch": 4})
    assert changed.plain == EVENT.plain | {"serving_epoch": 4}
    assert EVENT.plain == orjson.loads(ENVELOPE.data)
