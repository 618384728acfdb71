"""One line an event, whoever wrote it: structlog, the standard library, uvicorn."""

import logging
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from wakeline_telemetry import TelemetrySettings, configure_logging, correlation, tracing


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_both_kinds_of_loggers_write_the_same_kind_of_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("review", "consume", json=True)
    structlog.get_logger().info("label accepted", label="l-1")
    logging.getLogger("aiokafka.consumer").warning("lost %s", "the broker")
    logging.getLogger("uvicorn.error").info("started")
    ours, kafkas, uvicorns = lines(capsys)
    for line in (ours, kafkas, uvicorns):
        assert (line["service"], line["process"]) == ("review", "consume")
        assert line["at"].endswith("Z")
    assert (ours["event"], ours["level"], ours["label"]) == ("label accepted", "info", "l-1")
    assert (kafkas["event"], kafkas["level"]) == ("lost the broker", "warning")
    assert kafkas["logger"] == "aiokafka.consumer"
    assert uvicorns["event"] == "started"


def test_a_line_names_the_request_and_the_trace_it_belongs_to(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    configure_logging("review", "serve", json=True)
    tracing.configure("review", TelemetrySettings(spans_file=tmp_path / "spans"))

    def work() -> str | None:
        correlation.bind("c-1")
        with tracing.span("request"):
            structlog.get_logger().info("ours")
            logging.getLogger("pymongo").warning("theirs")
            return tracing.trace_id()

    trace_id = copy_context().run(work)
    tracing.shutdown()
    assert [(line["correlation_id"], line["trace_id"]) for line in lines(capsys)] == [
        ("c-1", trace_id)
    ] * 2


def test_an_exception_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("review", "serve", json=True)
    try:
        raise ValueError("two\nlines")
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("x").exception("failed too")
    for line in lines(capsys):
        assert "ValueError: two\nlines" in line["exception"]


def test_no_value_can_make_a_log_line_fail(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("review", "serve", json=True)
    loop: list[object] = []
    loop.append(loop)
    for odd in (Path("a"), {1: {2}}, b"\xff", 1 << 80, "\ud800", loop):
        structlog.get_logger().info("odd", value=odd)
    written = lines(capsys)
    assert len(written) == 6
    assert all("odd" in line["event"] for line in written)


def test_text_for_people_shows_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("review", "serve", json=False)
    try:
        token = "secret" + "-token"
        raise ValueError(len(token))
    except ValueError:
        structlog.get_logger().exception("failed")
    text = capsys.readouterr().err
    assert "ValueError" in text
    assert "secret-token" not in text


def test_uvicorns_line_for_every_request_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("review", "serve", json=True)
    logging.getLogger("uvicorn.access").info("GET / 200")
    assert lines(capsys) == []
