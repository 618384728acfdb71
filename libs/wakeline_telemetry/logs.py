"""Structured logs: one line an event, with the service, the process, and the ids of its cause.

structlog's loggers and the standard library's (uvicorn, aiokafka, pymongo) end in the same lines.
They go to stderr, so that the output of a command stays its own.
"""

import logging
import sys
from typing import Any

import orjson
import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from wakeline_telemetry import correlation, tracing

_QUIET = {
    # One line a request would cost more than the request's own work; metrics and spans say it.
    "uvicorn.access": logging.WARNING,
    "httpx": logging.WARNING,
    "urllib3": logging.WARNING,
    "aiokafka": logging.WARNING,
    # It logs every connection error at ERROR with a traceback, though its caller handles it.
    "aiokafka.conn": logging.CRITICAL,
}


class _Named:
    """Adds what is the same for every line of a process."""

    def __init__(self, service: str, process: str) -> None:
        self._names = {"service": service, "process": process}

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        event.update(self._names)
        return event


def _add_ids(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    correlation_id = correlation.peek()
    if correlation_id is not None:
        event.setdefault("correlation_id", correlation_id)
    trace_id = tracing.trace_id()
    if trace_id is not None:
        event.setdefault("trace_id", trace_id)
    return event


def _to_json(event: EventDict, **_: Any) -> str:
    # A log line must never fail its caller: what JSON cannot hold is written as its repr.
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:  # a huge integer, a lone surrogate, a loop
        harmless = {name: ascii(value) for name, value in event.items()}
        return orjson.dumps(harmless).decode()


def configure_logging(service: str, process: str, *, json: bool, level: int = logging.INFO) -> None:
    """Send every log line of this process to stderr in one form. Call once, at start.

    Parameters
    ----------
    service, process : for example ``review`` and ``consume``; both stand on every line
    json : one JSON object a line, or aligned text for people
    level : lines below it cost a method call and nothing else
    """
    enrich: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _Named(service, process),
        _add_ids,
    ]
    render: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_to_json)]
        if json
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # The default prints local variables, and with them tokens and people's names.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    )
    structlog.configure(
        processors=[*enrich, structlog.processors.StackInfoRenderer(), *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*enrich, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        # uvicorn installs handlers of its own; without them its lines reach the root's.
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name, quiet_level in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, quiet_level))
