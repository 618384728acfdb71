"""Traces: spans of this process, and the W3C trace context that goes from process to process.

Without an exporter nothing is recorded, but a trace context that comes in still goes out, so a
trace that passes through a silent process is not cut.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from wakeline_telemetry.settings import TelemetrySettings

_propagator = TraceContextTextMapPropagator()
_tracer: trace.Tracer | None = None
_end: Callable[[], None] | None = None


def configure(service: str, settings: TelemetrySettings) -> None:
    """Record and export this process's spans, where an exporter is configured.

    Call once, at start, before any MongoDB client is made: pymongo gives a command listener only
    to later clients.

    Raises
    ------
    RuntimeError
        If tracing is already configured.
    """
    global _tracer, _end
    if _tracer is not None:
        raise RuntimeError("tracing is already configured in this process")
    if settings.otlp_endpoint is None and settings.spans_file is None:
        return
    from wakeline_telemetry.recording import Recording  # costly, and most processes record nothing

    recording = Recording(service, settings)
    _tracer, _end = recording.tracer(), recording.end


def shutdown() -> None:
    """Export what is left and stop recording. Harmless where nothing was configured."""
    global _tracer, _end
    if _end is not None:
        _end()
    _tracer = _end = None


def enabled() -> bool:
    """Whether spans are recorded: for callers that would otherwise gather attributes in vain."""
    return _tracer is not None


def carrier() -> str | None:
    """Return the current trace context as a W3C ``traceparent``, or None where there is none."""
    headers: dict[str, str] = {}
    _propagator.inject(headers)
    return headers.get("traceparent")


def trace_id() -> str | None:
    """Return the current trace's id (32 hexadecimal digits), or None where there is none."""
    found = trace.get_current_span().get_span_context()
    return format(found.trace_id, "032x") if found.is_valid else None


def failed(cause: str) -> Status:
    """Return the status of a span that failed for a reason that no exception tells."""
    return Status(StatusCode.ERROR, cause)


@contextmanager
def span(
    name: str,
    *,
    parent: str | None = None,
    server: bool = False,
    **attributes: AttributeValue,
) -> Iterator[Span]:
    """Run the body inside a span, a child of ``parent`` (a ``traceparent``) or of the current one.

    ``server`` says that the span answers a request from outside. An exception that leaves the
    body marks the span as failed with the exception's class; its message may hold what must not
    be exported, so it stays in the log.
    """
    origin = _propagator.extract({"traceparent": parent}, context.Context()) if parent else None
    if _tracer is None:
        with _attached(origin) if origin is not None else nullcontext():
            yield trace.get_current_span()
        return
    kind = SpanKind.SERVER if server else SpanKind.INTERNAL
    started = _tracer.start_span(name, context=origin, kind=kind, attributes=attributes)
    try:
        with trace.use_span(started, record_exception=False, set_status_on_exception=False):
            yield started
    except Exception as error:
        started.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        started.end()


@contextmanager
def _attached(origin: context.Context) -> Iterator[None]:
    token = context.attach(origin)
    try:
        yield
    finally:
        context.detach(token)
