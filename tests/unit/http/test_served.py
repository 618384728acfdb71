"""The same app behind the real server: what only shows on a socket."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from fastapi import Depends
from prometheus_client import REGISTRY
from pytest_asyncio import fixture
from starlette.requests import Request

from wakeline_auth import Issuer, Role
from wakeline_http import Router, authenticated, body_limit


@fixture
async def port(app_of: Any) -> AsyncIterator[int]:
    """A port where an app with two uploads is served."""
    router = Router(prefix="/v1", dependencies=[Depends(authenticated)])

    @router.post("/bounded")
    async def bounded(body: list[int]) -> int:
        return len(body)

    @router.post("/upload")
    @body_limit(None)
    async def upload(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    config = uvicorn.Config(app_of(router), port=0, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


@pytest.fixture
def head(issuer: Issuer) -> Any:
    def of(path: str, *more: str) -> bytes:
        token = issuer.mint("p", [Role.ENGINEER])
        lines = [f"POST {path} HTTP/1.1", "Host: testing", f"Authorization: Bearer {token}", *more]
        return "\r\n".join([*lines, "Content-Type: application/json", "", ""]).encode()

    return of


async def test_too_large_a_body_is_refused_before_it_is_sent(port: int, head: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head("/v1/bounded", "Content-Length: 10000000000"))
    answer = await asyncio.wait_for(reader.read(), 2)  # to the end: the server hangs up
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"too-large"' in answer
    writer.close()


async def test_who_sends_a_little_too_much_sees_why_it_is_refused(port: int, head: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head("/v1/bounded", "Content-Length: 12000000"))
    for _ in range(120):  # cut off while it sends, a client reports a broken connection
        writer.write(b" " * 100_000)
        await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"too-large"' in answer
    writer.close()


async def test_an_endless_body_of_unknown_length_is_cut_off(port: int, head: Any) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head("/v1/bounded", "Transfer-Encoding: chunked"))

    async def send_for_ever() -> None:
        while True:
            writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
            await writer.drain()

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(send_for_ever(), 10)
    writer.close()


async def test_an_uploader_who_goes_away_is_no_error_of_ours(port: int, head: Any) -> None:
    def count(status: str) -> float:
        labels = {"method": "POST", "route": "/v1/upload", "status": status}
        name = "wakeline_http_seconds_count"
        return REGISTRY.get_sample_value(name, labels) or 0

    gone, failed = count("499"), count("500")
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head("/v1/upload", "Content-Length: 1000000") + b"x" * 1_000)
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    for _ in range(50):
        await asyncio.sleep(0.02)
        if count("499") > gone:
            break
    assert count("499") > gone
    assert count("500") == failed
