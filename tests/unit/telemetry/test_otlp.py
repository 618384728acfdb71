"""Spans over OTLP/HTTP, as a real collector would receive them."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from wakeline_telemetry import TelemetrySettings, tracing


class Collector(HTTPServer):
    """Takes OTLP/HTTP requests and keeps them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, ExportTraceServiceRequest]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["content-encoding"] == "gzip":
            import gzip

            body = gzip.decompress(body)
        self.server.received.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("tail", ["", "/", "/v1/traces"])
def test_spans_reach_the_collector_however_its_address_is_written(
    collector: Collector, tail: str
) -> None:
    endpoint = f"http://127.0.0.1:{collector.server_port}{tail}"
    tracing.configure("training", TelemetrySettings(otlp_endpoint=endpoint))
    with tracing.span("freeze"):
        pass
    tracing.shutdown()
    ((path, request),) = collector.received
    (resource,) = request.resource_spans
    assert path == "/v1/traces"
    assert [span.name for span in resource.scope_spans[0].spans] == ["freeze"]
    names = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert names["service.name"] == "wakeline-training"
