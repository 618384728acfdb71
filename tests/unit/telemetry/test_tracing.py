"""Spans, their files, and the context that goes on to the next process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from wakeline_telemetry import TelemetrySettings, tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def spans_file(tmp_path: Path) -> Iterator[Path]:
    """A file that this test's spans go to, once ``tracing.shutdown`` was called."""
    path = tmp_path / "traces" / "spans.jsonl"
    tracing.configure("review", TelemetrySettings(spans_file=path))
    yield path
    tracing.shutdown()


def finished(path: Path) -> dict[str, dict[str, Any]]:
    tracing.shutdown()
    return {span["name"]: span for span in map(orjson.loads, path.read_bytes().splitlines())}


def test_without_an_exporter_nothing_is_recorded_and_no_context_invented() -> None:
    with tracing.span("work"):
        assert tracing.carrier() is None
        assert tracing.trace_id() is None
    assert not tracing.enabled()


def test_without_an_exporter_a_context_that_came_in_goes_out_unchanged() -> None:
    with tracing.span("work", parent=PARENT):
        assert tracing.carrier() == PARENT
        assert tracing.trace_id() == TRACE
    assert tracing.carrier() is None


def test_a_span_inside_another_is_its_child(spans_file: Path) -> None:
    with tracing.span("outer", color="red"), tracing.span("inner"):
        pass
    spans = finished(spans_file)
    assert spans["inner"]["parent_id"] == spans["outer"]["span_id"]
    assert spans["inner"]["trace_id"] == spans["outer"]["trace_id"]
    assert spans["outer"]["attributes"] == {"color": "red"}
    assert spans["outer"]["service"] == "wakeline-review"


def test_a_context_from_another_process_is_continued(spans_file: Path) -> None:
    with tracing.span("other trace"), tracing.span("handle", parent=PARENT):
        carried = tracing.carrier()
    handled = finished(spans_file)["handle"]
    assert handled["trace_id"] == TRACE
    assert handled["parent_id"] == "b7ad6b7169203331"
    assert carried == f"00-{TRACE}-{handled['span_id']}-01"


@pytest.mark.parametrize("parent", ["", "rubbish", "00-0-0-01", "00-" + "0" * 32 + "-1-01"])
def test_a_malformed_context_begins_a_new_trace(parent: str, spans_file: Path) -> None:
    with tracing.span("handle", parent=parent):
        assert tracing.trace_id() is not None
    assert finished(spans_file)["handle"]["parent_id"] is None


def test_a_failure_is_marked_by_its_class_without_its_message(spans_file: Path) -> None:
    with pytest.raises(ValueError, match="the person's name"), tracing.span("work"):
        raise ValueError("the person's name")
    span = finished(spans_file)["work"]
    assert (span["status"], span["cause"]) == ("error", "ValueError")
    assert "name" not in str(span["attributes"])


def test_a_file_of_spans_that_has_grown_too_large_is_put_aside(
    spans_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wakeline_telemetry.spans_file.MAX_BYTES", 0)
    with tracing.span("first"):
        pass
    tracing.shutdown()
    monkeypatch.undo()
    tracing.configure("review", TelemetrySettings(spans_file=spans_file))
    with tracing.span("second"):
        pass
    assert list(finished(spans_file)) == ["second"]
    assert b"first" in spans_file.with_name("spans.jsonl.1").read_bytes()


def test_tracing_is_configured_once(spans_file: Path) -> None:
    with pytest.raises(RuntimeError, match="already configured"):
        tracing.configure("review", TelemetrySettings(spans_file=spans_file))


def test_a_collector_that_is_away_does_not_hold_up_the_work_or_the_end() -> None:
    tracing.configure("review", TelemetrySettings(otlp_endpoint="http://127.0.0.1:9"))
    try:
        with tracing.span("work"):
            assert tracing.carrier() is not None
    finally:
        tracing.shutdown()
    assert not tracing.enabled()


def test_a_share_of_traces_is_recorded_and_a_trace_from_elsewhere_as_its_sender_chose(
    tmp_path: Path,
) -> None:
    path = tmp_path / "spans.jsonl"
    tracing.configure("review", TelemetrySettings(spans_file=path, sample=0.0))
    with tracing.span("begins here"):
        assert tracing.carrier() is not None  # so that the others leave it out, too
    with tracing.span("recorded elsewhere", parent=PARENT):
        pass
    assert [*finished(path)] == ["recorded elsewhere"]
