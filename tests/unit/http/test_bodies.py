"""How much a route takes in."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import Depends
from starlette.requests import Request

from wakeline_auth import Role
from wakeline_http import Router, authenticated, body_limit

MEBIBYTE = 1024 * 1024


@pytest.fixture
def client(app_of: Any, clients: Any) -> Any:
    router = Router(prefix="/v1", dependencies=[Depends(authenticated)])

    @router.post("/usual")
    async def usual(body: list[int]) -> int:
        return len(body)

    @router.post("/small")
    @body_limit(100)
    async def small(body: list[int]) -> int:
        return len(body)

    @router.post("/upload")
    @body_limit(None)
    async def upload(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    @router.post("/bounded-upload")
    @body_limit(MEBIBYTE)
    async def bounded_upload(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    return clients(app_of(router), Role.ENGINEER)


async def unannounced(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 65_536):
        yield data[start : start + 65_536]


@pytest.mark.parametrize("path", ["/v1/usual", "/v1/small", "/v1/bounded-upload"])
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_refused_announced_or_not(
    client: Any, path: str, announced: bool
) -> None:
    data = b"[" + b"1," * (5 * MEBIBYTE) + b"1]"
    answer = await client.post(
        path,
        content=data if announced else unannounced(data),
        headers={"content-type": "application/json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"


async def test_a_body_at_the_limit_is_taken(client: Any) -> None:
    exactly = b"[" + b"1," * 49 + b"1]"
    assert len(exactly) == 101
    json = {"content-type": "application/json"}
    assert (await client.post("/v1/small", content=exactly, headers=json)).status_code == 413
    answer = await client.post("/v1/small", content=exactly[:-3] + b"]", headers=json)
    assert (answer.status_code, answer.json()) == (200, 49)


async def test_a_route_without_a_limit_streams_what_comes(client: Any) -> None:
    data = b"x" * (20 * MEBIBYTE)
    answer = await client.post("/v1/upload", content=unannounced(data))
    assert answer.json() == len(data)
