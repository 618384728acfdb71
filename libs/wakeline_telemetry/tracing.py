"""Traces: spans of this process, and the W3C trace context that goes from process to process.

Without an exporter nothing is recorded, but a trace context that comes in still goes out, so a
trace that passes through a silent process is not cut. The provider is ours and is never made
OpenTelemetry's global one: frameworks that trace by themselves as soon as there is a global
provider would record everything twice.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from opentelemetry import context, trace
from opentelemetry.instrumentation.pymongo import PymongoInstrumentor
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from wakeline_telemetry.settings import TelemetrySettings
from wakeline_telemetry.spans_file import SpansFileExporter

_EXPORT_EVERY_MS = 1_000
_propagator = TraceContextTextMapPropagator()
_provider: TracerProvider | None = None
_tracer: trace.Tracer | None = None


def configure(service: str, settings: TelemetrySettings) -> None:
    """Record and export this process's spans, where an exporter is configured.

    Call once, at start, before any MongoDB client is made: pymongo gives a command listener only
    to later clients.

    Raises
    ------
    RuntimeError
        If tracing is already configured.
    """
    exporters = _exporters(settings)
    if exporters:
        record(service, *exporters, sample=settings.sample, trace_commands=settings.trace_commands)


def record(
    service: str, *exporters: SpanExporter, sample: float = 1.0, trace_commands: bool = True
) -> None:
    """Record this process's spans, of a share of all traces, and hand them to the exporters."""
    global _provider, _tracer
    if _provider is not None:
        raise RuntimeError("tracing is already configured in this process")
    _provider = TracerProvider(
        resource=Resource.create({SERVICE_NAME: f"wakeline-{service}"}),
        sampler=ParentBased(TraceIdRatioBased(sample)),
        shutdown_on_exit=False,
    )
    for exporter in exporters:
        _provider.add_span_processor(
            BatchSpanProcessor(exporter, schedule_delay_millis=_EXPORT_EVERY_MS)
        )
    _tracer = _provider.get_tracer("wakeline")
    if trace_commands:
        PymongoInstrumentor().instrument(tracer_provider=_provider)


def shutdown() -> None:
    """Export what is left and stop recording. Harmless where nothing was configured."""
    global _provider, _tracer
    if _provider is None:
        return
    if PymongoInstrumentor().is_instrumented_by_opentelemetry:
        PymongoInstrumentor().uninstrument()
    _provider.shutdown()
    _provider = _tracer = None


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


def _exporters(settings: TelemetrySettings) -> list[SpanExporter]:
    exporters: list[SpanExporter] = []
    if settings.otlp_endpoint is not None:
        # Imported here: it brings requests and protobuf, which most processes never need.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        endpoint = settings.otlp_endpoint.rstrip("/").removesuffix("/v1/traces") + "/v1/traces"
        exporters.append(OTLPSpanExporter(endpoint=endpoint, timeout=5))
    if settings.spans_file is not None:
        exporters.append(SpansFileExporter(settings.spans_file))
    return exporters
