"""Who gets past which route: every route of every service, asked as a stranger and as each role."""

import re

import pytest

from tests.contract.services import SERVICES, app_of, client_of, operations_of
from wakeline_auth import Role
from wakeline_events.base import ServiceName
from wakeline_http import routes_without_principal

OPEN_TO_LABELERS = {
    "labeling": {
        "GET /v1/projects",
        "GET /v1/projects/{project_id}",
        "GET /v1/projects/{project_id}/stages/{stage}/status",
        "POST /v1/projects/{project_id}/stages/{stage}/leases",
        "GET /v1/leases",
        "GET /v1/leases/{lease_id}",
        "GET /v1/leases/{lease_id}/image",
        "GET /v1/leases/{lease_id}/bands/{band}",
        "PUT /v1/leases/{lease_id}/draft",
        "POST /v1/leases/{lease_id}/heartbeat",
        "POST /v1/leases/{lease_id}/return",
        "POST /v1/leases/{lease_id}/skip",
        "POST /v1/leases/{lease_id}/submit",
        "POST /v1/leases/heartbeat",
        "POST /v1/leases/return",
        "POST /v1/leases/submit",
        "GET /v1/projects/{project_id}/stages/{stage}/exam",
    },
    "review": {"GET /v1/verdicts", "GET /v1/statistics/people"},
}
"""Everything that a token of a labeler, of a vendor's too, gets past. A new line is a decision
about promise 7: no model bytes, no embeddings, no predictions in bulk, no pixels but by a lease."""

OPEN_TO_REVIEWERS = {
    "labeling": OPEN_TO_LABELERS["labeling"],
    "review": {
        "POST /v1/reviews/leases",
        "GET /v1/reviews/leases",
        "GET /v1/reviews/leases/{lease_id}/image",
        "GET /v1/reviews/leases/{lease_id}/bands/{name}",
        "POST /v1/reviews/leases/{lease_id}/heartbeat",
        "POST /v1/reviews/leases/{lease_id}/return",
        "POST /v1/reviews/leases/{lease_id}/skip",
        "POST /v1/reviews/leases/{lease_id}/verdict",
        "POST /v1/reviews/{label_id}/corrections",
        "GET /v1/verdicts",
        "GET /v1/statistics/people",
    },
}
"""Likewise of a reviewer, who also makes the last round of a rejected label."""

OPEN_TO_ALL = {"GET /v1/services"}

NEEDS_NO_KEY = {
    "lineage": {"/v1/webhooks/{webhook_id}/test": "it sends a second test, and changes nothing"},
    "ingest": {"/v1/datasets/{dataset_id}/assets/known": "it only reads"},
    "labeling": {
        "/v1/leases/{lease_id}/heartbeat": "a second one says the same",
        "/v1/leases/heartbeat": "a second one says the same",
        "/v1/leases/submit": "as each of them alone",
        "/v1/leases/{lease_id}/submit": "a lease becomes one label, and the same work the same one",
    },
}
"""POST routes that take no Idempotency-Key, and why sending them twice does no harm."""


@pytest.mark.parametrize("name", SERVICES)
def test_every_route_asks_who_is_calling(name: ServiceName) -> None:
    assert routes_without_principal(app_of(name)) == []


@pytest.mark.parametrize("name", SERVICES)
async def test_a_stranger_gets_past_no_route(name: ServiceName) -> None:
    async with client_of(name) as stranger:
        for method, path in await operations_of(name):
            response = await stranger.request(method, _filled(path))
            assert response.status_code == 401, f"{method} {path}"


@pytest.mark.parametrize("name", SERVICES)
async def test_labelers_reach_leases_and_nothing_confidential(name: ServiceName) -> None:
    expected = OPEN_TO_LABELERS.get(name, set()) | OPEN_TO_ALL
    assert await reached(name, Role.LABELER) == expected


@pytest.mark.parametrize("name", SERVICES)
async def test_reviewers_reach_reviews_and_nothing_confidential(name: ServiceName) -> None:
    expected = OPEN_TO_REVIEWERS.get(name, set()) | OPEN_TO_ALL
    assert await reached(name, Role.REVIEWER) == expected


@pytest.mark.parametrize("name", SERVICES)
async def test_an_administrator_gets_past_every_route(name: ServiceName) -> None:
    everything = {f"{method} {path}" for method, path in await operations_of(name)}
    assert await reached(name, Role.ADMIN) == everything


@pytest.mark.parametrize("name", SERVICES)
async def test_a_post_can_be_sent_twice(name: ServiceName) -> None:
    without = set()
    for (method, path), operation in (await operations_of(name)).items():
        headers = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "header"}
        if method == "POST" and "Idempotency-Key" not in headers:
            without.add(path)
    assert without == set(NEEDS_NO_KEY.get(name, ()))


@pytest.mark.parametrize("name", SERVICES)
async def test_paths_belong_to_one_service_so_that_one_origin_can_route_them(
    name: ServiceName,
) -> None:
    own = {path for _, path in await operations_of(name)} - {"/v1/services", "/openapi.json"}
    for other in SERVICES:
        if other != name:
            assert own.isdisjoint({path for _, path in await operations_of(other)})


_REACHED: dict[tuple[ServiceName, Role], set[str]] = {}


async def reached(name: ServiceName, role: Role) -> set[str]:
    """The routes whose permission a role has; the requests themselves are nonsense and fail."""
    if (name, role) in _REACHED:
        return _REACHED[name, role]
    found = _REACHED[name, role] = set()
    async with client_of(name, role) as client:
        for method, path in await operations_of(name):
            response = await client.request(method, _filled(path))
            assert response.status_code != 401, f"{method} {path}: the token is a good one"
            if response.status_code != 403:
                found.add(f"{method} {path}")
    return found


def _filled(path: str) -> str:
    return re.sub(r"\{kind\}", "dead", re.sub(r"\{(?!kind)[^}]+\}", "x", path))
