"""Recording spans and sending them: the part of tracing that needs OpenTelemetry's SDK.

Only a process with an exporter imports it: the SDK costs each start a quarter of a second.
"""

from opentelemetry.instrumentation.pymongo import PymongoInstrumentor
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Tracer

from wakeline_telemetry.settings import TelemetrySettings
from wakeline_telemetry.spans_file import SpansFileExporter

_EXPORT_EVERY_MS = 1_000


class Recording:
    """Spans of one process on their way to its exporters, until it is ended."""

    def __init__(self, service: str, settings: TelemetrySettings) -> None:
        # The provider is ours and is never made OpenTelemetry's global one: frameworks that trace
        # by themselves as soon as there is a global provider would record everything twice.
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: f"wakeline-{service}"}),
            sampler=ParentBased(TraceIdRatioBased(settings.sample)),
            shutdown_on_exit=False,
        )
        for exporter in _exporters(settings):
            self._provider.add_span_processor(
                BatchSpanProcessor(exporter, schedule_delay_millis=_EXPORT_EVERY_MS)
            )
        if settings.trace_commands:
            PymongoInstrumentor().instrument(tracer_provider=self._provider)

    def tracer(self) -> Tracer:
        """Return what starts spans that are recorded here."""
        return self._provider.get_tracer("wakeline")

    def end(self) -> None:
        """Export what is left."""
        if PymongoInstrumentor().is_instrumented_by_opentelemetry:
            PymongoInstrumentor().uninstrument()
        self._provider.shutdown()


def _exporters(settings: TelemetrySettings) -> list[SpanExporter]:
    exporters: list[SpanExporter] = []
    if settings.otlp_endpoint is not None:
        # Imported here: it brings requests and protobuf, which a file does not need.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        endpoint = settings.otlp_endpoint.rstrip("/").removesuffix("/v1/traces") + "/v1/traces"
        exporters.append(OTLPSpanExporter(endpoint=endpoint, timeout=5))
    if settings.spans_file is not None:
        exporters.append(SpansFileExporter(settings.spans_file))
    return exporters
