"""Who gets past the door, and what the door says to the others."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from httpx import AsyncClient
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from wakeline_auth import AuthSettings, Issuer, Permission, Principal, Role, Verifier
from wakeline_http import Router, authenticated, require, routes_without_principal

Leaser = Annotated[Principal, Depends(require(Permission.LEASE_TASKS))]


@pytest.fixture
def router() -> Router:
    router = Router(prefix="/v1")

    @router.get("/leases")
    async def read_leases(labeler: Leaser) -> dict[str, str | None]:
        return {"person": labeler.person_id, "team": labeler.team_id}

    @router.post("/leases")
    async def lease(labeler: Leaser, body: dict[str, int]) -> dict[str, int]:
        return body

    @router.get("/forgotten")
    async def forgotten() -> dict[str, str]:
        return {"secret": "treasure"}

    return router


async def test_a_principal_with_the_permission_reaches_the_route(
    app_of: Any, clients: Any, router: Router
) -> None:
    answer = await clients(app_of(router), Role.LABELER).get("/v1/leases")
    assert answer.status_code == 200
    assert answer.json() == {"person": "p-1", "team": "team-1"}


async def test_a_principal_without_the_permission_is_forbidden(
    app_of: Any, clients: Any, router: Router
) -> None:
    answer = await clients(app_of(router), Role.AUDITOR).get("/v1/leases")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "lease-tasks" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/v1/leases", "/v1/nothing", "/openapi.json", "/v1/services"])
async def test_a_stranger_learns_not_even_which_routes_there_are(
    path: str, app_of: Any, clients: Any, router: Router
) -> None:
    answer = await clients(app_of(router)).get(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="wakeline"'


async def test_a_route_that_forgot_to_ask_is_still_closed_to_strangers(
    app_of: Any, clients: Any, router: Router
) -> None:
    answer = await clients(app_of(router)).get("/v1/forgotten")
    assert answer.status_code == 401
    assert "treasure" not in answer.text


async def test_a_stranger_is_refused_before_the_body_is_read(app_of: Any, router: Router) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/leases",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    await app_of(router)(scope, receive, send)
    assert sent[0]["status"] == 401


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer nonsense", "token-malformed"),
        ("bearer nonsense", "token-malformed"),
        ("Bearer ", "token-malformed"),
        ("Basic dXNlcjpwYXNz", "unauthenticated"),
        ("Bearer", "token-malformed"),
        ("Bearer \xff\xfe", "token-malformed"),
    ],
)
async def test_a_bad_token_is_refused_with_its_reason(
    header: str, code: str, app_of: Any, clients: Any, router: Router
) -> None:
    client: AsyncClient = clients(app_of(router))
    answer = await client.get("/v1/leases", headers={b"Authorization": header.encode("latin-1")})
    assert (answer.status_code, answer.json()["code"]) == (401, code)


async def test_a_token_of_another_issuer_is_refused(
    app_of: Any, clients: Any, router: Router
) -> None:
    foreign = Issuer.create().mint("p", [Role.ADMIN])
    answer = await clients(app_of(router)).get(
        "/v1/leases", headers={"Authorization": f"Bearer {foreign}"}
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "token-signature")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_keys_out_of_reach_are_the_services_trouble_and_not_the_callers(
    app_of: Any, clients: Any, router: Router
) -> None:
    verifier = Verifier(AuthSettings(issuer="wakeline", jwks_url="http://127.0.0.1:9/jwks"))
    answer = await clients(app_of(router, verifier=verifier), Role.LABELER).get("/v1/leases")
    assert (answer.status_code, answer.json()["code"]) == (503, "keys-unavailable")
    assert int(answer.headers["retry-after"]) > 0


async def test_a_dependency_can_be_overridden_in_a_test(
    app_of: Any, clients: Any, router: Router
) -> None:
    app: FastAPI = app_of(router)
    someone = Principal("someone", frozenset())
    app.dependency_overrides[require(Permission.LEASE_TASKS)] = lambda: someone
    answer = await clients(app, Role.AUDITOR).get("/v1/leases")
    assert answer.json() == {"person": "someone", "team": None}


async def test_a_websocket_is_closed_at_once(app_of: Any, router: Router) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/leases", "headers": [], "query_string": b""}
    await app_of(router)(scope, None, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_routes_that_forgot_to_ask_are_listed(app_of: Any, router: Router) -> None:
    assert routes_without_principal(app_of(router)) == ["GET /v1/forgotten"]


def test_the_librarys_own_routes_all_ask(app_of: Any) -> None:
    assert routes_without_principal(app_of()) == []


def test_a_router_can_ask_for_all_its_routes_at_once(app_of: Any) -> None:
    router = Router(prefix="/v1", dependencies=[Depends(authenticated)])

    @router.get("/whoever")
    async def whoever() -> dict[str, str]:
        return {}

    assert routes_without_principal(app_of(router)) == []


def test_routes_of_nested_routers_are_listed_with_their_whole_path(
    app_of: Any, router: Router
) -> None:
    outer = Router(prefix="/outer")
    outer.include_router(router)
    assert routes_without_principal(app_of(outer)) == ["GET /outer/v1/forgotten"]


def test_what_is_no_route_of_ours_is_always_listed(app_of: Any) -> None:
    app: FastAPI = app_of()
    app.router.routes.append(Route("/plain", lambda request: PlainTextResponse("hi")))
    app.mount("/mounted", PlainTextResponse("hi"))
    assert routes_without_principal(app) == ["ANY /mounted", "GET,HEAD /plain"]


def test_a_route_that_reads_json_leniently_is_refused_when_the_app_is_built(app_of: Any) -> None:
    router = APIRouter()

    @router.get("/lenient")
    async def lenient() -> dict[str, str]:
        return {}

    with pytest.raises(TypeError, match=r"wakeline_http\.Router"):
        app_of(router)
