"""Our faster routing finds the same routes as the framework's own."""

from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from httpx import ASGITransport, AsyncClient

from wakeline_auth import Role
from wakeline_http import Router, authenticated

TEMPLATES = (
    "/v1/things",
    "/v1/things/{thing_id}",
    "/v1/things/{thing_id}/parts",
    "/v1/things/{thing_id}/parts/{part_id}",
    "/v1/things/{thing_id}.json",
    "/v1/files/{name:path}",
    "/v1/files/{name:path}/size",
    "/v1/{kind}/about",
)
PATHS = (
    *("/v1/things", "/v1/things/", "/v1/thing", "/v1/things/7", "/v1/things/7/", "/v1/things/7/x"),
    *("/v1/things/7/parts", "/v1/things/7/parts/3", "/v1/things/7.json", "/v1/things/.json"),
    *("/v1/files/a/b/c", "/v1/files/a/b/size", "/v1/files/size", "/v1/files/", "/v1/x/about"),
    *("/v1/things/about", "/v1//about", "/", "/v1", "/v1/things/%7D", "/v1/things/a%2Fparts"),
)


def with_routes(router: APIRouter) -> APIRouter:
    for template in TEMPLATES:
        router.add_api_route(template, _constant(template), methods=["GET"])
    return router


def _constant(text: str) -> Any:
    async def answer() -> str:
        return text

    return answer


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", PATHS)
async def test_every_path_leads_where_the_framework_would_lead_it(
    path: str, method: str, app_of: Any, clients: Any
) -> None:
    theirs = FastAPI(redirect_slashes=False)
    theirs.include_router(with_routes(APIRouter(redirect_slashes=False)))
    guarded = Router(dependencies=[Depends(authenticated)])
    ours = clients(app_of(with_routes(guarded)), Role.LABELER)
    async with AsyncClient(transport=ASGITransport(theirs), base_url="http://testing") as client:
        expected = await client.request(method, path)
    found = await ours.request(method, path)
    assert found.status_code == expected.status_code
    if expected.status_code == 200:
        assert found.json() == expected.json()


async def test_two_apps_of_one_router_are_overridden_apart(app_of: Any, clients: Any) -> None:
    async def number() -> int:
        return 1

    router = Router(dependencies=[Depends(authenticated)])

    @router.get("/number")
    async def read_number(found: int = Depends(number)) -> int:
        return found

    first, second = app_of(router), app_of(router)
    first.dependency_overrides[number] = lambda: 2
    assert (await clients(first, Role.LABELER).get("/number")).json() == 2
    assert (await clients(second, Role.LABELER).get("/number")).json() == 1
