"""One trace over OTLP/HTTP, out of real processes: request, outbox, Kafka, consumer."""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import httpx
import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.integration.sdk import fields
from wakeline_auth import Role
from wakeline_embedded.ports import free_port
from wakeline_testing import Scope
from wakeline_testing.running import BUCKETS, ISSUER, SERVICES, settings_of

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


class Collector(ThreadingHTTPServer):
    """Takes OTLP/HTTP requests and keeps the spans in them, with the process each came from."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[tuple[str, Span]] = []

    def one(self, process: str, name: str) -> Span | None:
        found = [span for by, span in list(self.spans) if (by, span.name) == (process, name)]
        return found[0] if found else None


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["content-encoding"] == "gzip":
            body = gzip.decompress(body)
        for each in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {one.key: one.value.string_value for one in each.resource.attributes}
            for scope in each.scope_spans:
                self.server.spans += [(names["service.name"], span) for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def start(
    scope: Scope, name: str, kind: str, port: int, endpoint: str, log: Path
) -> asyncio.subprocess.Process:
    settings = settings_of(scope, name, import_module(f"wakeline_{name}.settings").Settings)  # type: ignore[arg-type]
    told = {
        "MONGO__DSN": settings.mongo.dsn.get_secret_value(),
        "MONGO__DATABASE": settings.mongo.database,
        "KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "KAFKA__TOPIC_PREFIX": settings.kafka.topic_prefix,
        "BLOBS__ENDPOINT": settings.blobs.endpoint,
        "BLOBS__ACCESS_KEY": settings.blobs.access_key,
        "BLOBS__SECRET_KEY": settings.blobs.secret_key.get_secret_value(),
        "BLOBS__PREFIX": settings.blobs.prefix,
        "AUTH__ISSUER": ISSUER.issuer,
        "AUTH__JWKS": orjson.dumps(ISSUER.jwks()).decode(),
        "HTTP__PORT": str(port),
        "TELEMETRY__OTLP_ENDPOINT": endpoint,
    }
    env = {f"WAKELINE_{name.upper()}_{key}": value for key, value in told.items()}
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"wakeline_{name}", kind),
            env={**os.environ, **env},
            stdout=out,
            stderr=out,
        )


async def test_one_trace_leads_from_a_request_to_what_another_service_makes_of_it(
    scope: Scope, tmp_path: Path
) -> None:
    await scope.make_topics(*SERVICES)
    await scope.make_buckets(*BUCKETS)
    log, port = tmp_path / "log", free_port()
    with collecting() as collector:
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        for name in ("labeling", "review"):
            migrating = await start(scope, name, "migrate", 1, endpoint, log)
            assert await migrating.wait() == 0, log.read_text()
        processes = [
            await start(scope, "labeling", "serve", port, endpoint, log),
            await start(scope, "labeling", "relay", free_port(), endpoint, log),
            await start(scope, "review", "consume", free_port(), endpoint, log),
        ]
        try:
            token = ISSUER.mint("p-admin", {Role.ADMIN}, None)
            client = httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}",
                headers={"Authorization": f"Bearer {token}"},
                transport=httpx.AsyncHTTPTransport(retries=5),
                timeout=30,
            )
            async with client, asyncio.timeout(90):
                while True:
                    try:
                        team = await client.put("/v1/teams/weeds", json={"name": "Weeders"})
                        break
                    except httpx.TransportError:
                        await asyncio.sleep(0.2)
                assert team.is_success, team.text
                outside = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
                applied = await client.put(
                    "/v1/projects/weeds",
                    json=fields.document("weeds"),
                    headers={"traceparent": outside},
                )
                assert applied.is_success, applied.text
                while not (
                    handled := collector.one("wakeline-review", "handle project.configured")
                ):
                    await asyncio.sleep(0.2)
                route = "PUT /v1/projects/{project_id}"
                while not (request := collector.one("wakeline-labeling", route)):
                    await asyncio.sleep(0.2)
        except TimeoutError:
            names = sorted({(by, span.name) for by, span in collector.spans})
            pytest.fail(f"{names}\n{log.read_text()[-2_000:]}")
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                await process.wait()
    assert request.trace_id.hex() == "ab" * 16, "a caller's trace goes on"
    assert request.parent_span_id.hex() == "cd" * 8
    assert request.kind == Span.SPAN_KIND_SERVER
    assert handled.trace_id == request.trace_id
    assert handled.parent_span_id == request.span_id
    exported = " ".join(str(span) for _, span in collector.spans)
    assert "Weeders" not in exported, "what people write stays out of traces"
