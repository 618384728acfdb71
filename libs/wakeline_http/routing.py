"""Routes that read JSON strictly and never take in more bytes than they said they would."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import orjson
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Message, Receive, Scope

DEFAULT_BODY_LIMIT = 8 * 1024 * 1024
"""Bytes that a request body may have, unless its route says otherwise."""

_READ_AND_DROPPED = 4
"""A body up to so many times its limit is read to its end and dropped before it is refused: most
clients that are cut off while they send never see the refusal. A longer one is cut off."""

_LIMIT = "__wakeline_body_limit__"
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


class BodyTooLargeError(HTTPException):
    """A request body exceeds its route's limit.

    An HTTPException, because FastAPI turns any other exception that is raised while it reads a
    body into a 400.
    """

    def __init__(self, limit: int) -> None:
        # More of the body may still be on its way: the next request must not be looked for in it.
        super().__init__(413, f"the body exceeds {limit:,} bytes", headers={"Connection": "close"})


def body_limit(limit: int | None) -> Callable[[_Endpoint], _Endpoint]:
    """Let one route take bodies of up to ``limit`` bytes; None lets it take any, as a stream.

    Stands below the route's own decorator::

        @router.post("/files")
        @body_limit(None)
        async def upload(request: Request) -> FileOut: ...
    """

    def mark(endpoint: _Endpoint) -> _Endpoint:
        setattr(endpoint, _LIMIT, limit)
        return endpoint

    return mark


class _StrictRequest(Request):
    """Reads JSON by orjson, which refuses NaN, infinities, lone surrogates and invalid UTF-8."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = orjson.loads(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route whose request is a strict one with a body limit."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self._tail = path.rpartition("}")[2]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match as the framework does, unless the path's end shows that it cannot.

        Routes are tried one after the other; most end in a word of their own, and looking at that
        is ten times as fast as the framework's match.
        """
        if not scope["path"].endswith(self._tail):
            return Match.NONE, {}
        return super().matches(scope)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the framework's handler behind the limit and the strict reader."""
        handle = super().get_route_handler()
        limit: int | None = getattr(self.endpoint, _LIMIT, DEFAULT_BODY_LIMIT)

        async def handle_strictly(request: Request) -> Response:
            receive = request.receive if limit is None else await _limited(request, limit)
            return await handle(_StrictRequest(request.scope, receive))

        return handle_strictly


class Router(APIRouter):
    """The router of every service: FastAPI's, with strict routes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=StrictRoute, redirect_slashes=False, **options)


async def _limited(request: Request, limit: int) -> Receive:
    announced = request.headers.get("content-length", "")
    most = _READ_AND_DROPPED * limit
    if announced.isdigit() and int(announced) > limit:
        if int(announced) <= most and "expect" not in request.headers:
            await _drop(request.receive, most)
        raise BodyTooLargeError(limit)
    receive, received = request.receive, 0

    async def receive_within_limit() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > limit:
                if message.get("more_body"):
                    await _drop(receive, most - received)
                raise BodyTooLargeError(limit)
        return message

    return receive_within_limit


async def _drop(receive: Receive, most: int) -> None:
    while most > 0:
        message = await receive()
        most -= len(message.get("body", b""))
        if not message.get("more_body"):
            return
