"""What surrounds a request: its correlation id, its measurement, its span."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import pytest
from fastapi import Depends
from prometheus_client import REGISTRY

from wakeline_auth import Permission, Principal, Role
from wakeline_http import Router, require
from wakeline_telemetry import TelemetrySettings, correlation, tracing


@pytest.fixture
def router() -> Router:
    router = Router(prefix="/v1/things")

    @router.get("/{thing_id}")
    async def read_thing(
        thing_id: str, reader: Annotated[Principal, Depends(require(Permission.SEE_WORK))]
    ) -> str:
        if thing_id == "broken":
            raise RuntimeError
        return correlation.current()

    return router


def count(method: str, route: str, status: str) -> float:
    labels = {"method": method, "route": route, "status": status}
    return REGISTRY.get_sample_value("wakeline_http_seconds_count", labels) or 0


async def test_a_correlation_id_comes_in_and_goes_out(
    app_of: Any, clients: Any, router: Router
) -> None:
    client = clients(app_of(router), Role.LABELER)
    answer = await client.get("/v1/things/1", headers={"X-Correlation-Id": "c-7"})
    assert answer.headers["x-correlation-id"] == answer.json() == "c-7"


async def test_every_answer_has_a_correlation_id_of_its_own(
    app_of: Any, clients: Any, router: Router
) -> None:
    client = clients(app_of(router), Role.LABELER)
    paths = ["/v1/things/1", "/v1/things/1", "/nowhere", "/health/live", "/v1/things/broken"]
    ids = [(await client.get(path)).headers["x-correlation-id"] for path in paths]
    ids.append((await clients(app_of(router)).get("/v1/things/1")).headers["x-correlation-id"])
    assert len(set(ids)) == 6


async def test_an_unusable_correlation_id_is_replaced(
    app_of: Any, clients: Any, router: Router
) -> None:
    client = clients(app_of(router), Role.LABELER)
    answer = await client.get("/v1/things/1", headers={"X-Correlation-Id": "x" * 1_000})
    assert len(answer.headers["x-correlation-id"]) == 32


async def test_requests_are_measured_by_template_and_never_by_path(
    app_of: Any, clients: Any, router: Router
) -> None:
    client = clients(app_of(router), Role.LABELER)
    ok, broken = ("GET", "/v1/things/{thing_id}", "200"), ("GET", "/v1/things/{thing_id}", "500")
    unmatched, odd = ("GET", "unmatched", "404"), ("OTHER", "unmatched", "404")
    before = [count(*labels) for labels in (ok, broken, unmatched, odd)]
    await client.get("/v1/things/1")
    await client.get("/v1/things/2")
    await client.get("/v1/things/broken")
    await client.get("/v1/made/up")
    await client.request("BREW", "/v1/coffee")
    after = [count(*labels) for labels in (ok, broken, unmatched, odd)]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 1, 1, 1]


async def test_a_scraper_needs_no_token(app_of: Any, clients: Any) -> None:
    answer = await clients(app_of()).get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "wakeline_outbox_rows" in answer.text


async def test_a_request_is_a_span_that_continues_its_callers_trace(
    app_of: Any, clients: Any, router: Router, tmp_path: Path
) -> None:
    client = clients(app_of(router), Role.LABELER)
    tracing.configure("labeling", TelemetrySettings(spans_file=tmp_path / "spans"))
    try:
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        headers = {"traceparent": parent, "X-Correlation-Id": "c-9"}
        await client.get("/v1/things/1", headers=headers)
        await client.get("/v1/things/broken")
        await client.get("/health/ready")
    finally:
        tracing.shutdown()
    fine, broken = map(orjson.loads, (tmp_path / "spans").read_bytes().splitlines())
    assert fine["name"] == "GET /v1/things/{thing_id}"
    assert fine["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert fine["kind"] == "server"
    assert fine["attributes"]["http.response.status_code"] == 200
    assert fine["attributes"]["wakeline.correlation_id"] == "c-9"
    assert (broken["status"], broken["attributes"]["http.response.status_code"]) == ("error", 500)
