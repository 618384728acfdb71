"""Every request needs a principal: who is calling is settled before anything else is read."""

import asyncio
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from wakeline_auth import KeysUnavailableError, Permission, Principal, TokenError, Verifier
from wakeline_http.responses import problem_response

PUBLIC_PATHS = frozenset({"/health/live", "/health/ready", "/metrics"})
"""What a probe or a scraper asks for, and nothing else."""

_PRINCIPAL = "wakeline.principal"


class ForbiddenError(Exception):
    """The principal is known and lacks the permission that the route asks for."""

    code: ClassVar[str] = "forbidden"

    def __init__(self, permission: Permission) -> None:
        super().__init__(f"your roles do not include the permission {permission}")


class Authentication:
    """ASGI middleware that lets nobody without a valid bearer token past it.

    It stands before routing and before the body, so a route that forgets to ask for a permission
    is still closed to strangers, and a stranger learns nothing: not even which routes there are.
    """

    def __init__(self, app: ASGIApp, verifier: Verifier) -> None:
        self._app = app
        self._verifier = verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an authenticated request on, or answer it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "no websockets here"})
            return
        if scope["type"] != "http" or scope["path"] in PUBLIC_PATHS:
            await self._app(scope, receive, send)
            return
        token = _bearer_token(scope)
        if token is None:
            await _refuse("unauthenticated", "send a bearer token", scope, receive, send)
            return
        principal = self._verifier.remembered(token)
        if principal is None:
            try:
                # In a thread: it checks a signature and may have to fetch the issuer's keys.
                principal = await asyncio.to_thread(self._verifier.verify, token)
            except TokenError as error:
                await _refuse(error.code, str(error), scope, receive, send)
                return
            except KeysUnavailableError as error:
                response = problem_response(
                    503,
                    error.code,
                    "tokens cannot be judged: the issuer's keys are out of reach",
                    headers={"Retry-After": "5"},
                )
                await response(scope, receive, send)
                return
        scope[_PRINCIPAL] = principal
        await self._app(scope, receive, send)


class _Requirement:
    """Dependency that returns the request's principal, if it has a permission."""

    def __init__(self, permission: Permission | None) -> None:
        self._permission = permission

    async def __call__(self, request: Request) -> Principal:
        principal: Principal = request.scope[_PRINCIPAL]
        if self._permission is not None and not principal.may(self._permission):
            raise ForbiddenError(self._permission)
        return principal


@lru_cache
def require(permission: Permission) -> _Requirement:
    """Return the dependency that refuses, with 403, a principal without the permission.

    One object for each permission, so that a test can override it.
    """
    return _Requirement(permission)


authenticated = _Requirement(None)
"""Dependency for a route that any principal may call."""


def routes_without_principal(app: FastAPI) -> list[str]:
    """Return the routes, as ``METHOD /path``, that do not ask who is calling.

    The three public paths are left out; everything else should be in no such list. What is not a
    plain route (a mount, a websocket) is always in it: nothing here can vouch for it.
    """
    unguarded = []
    for route in effective_routes(app.routes):
        path = getattr(route, "path", type(route).__name__)
        if path in PUBLIC_PATHS:
            continue
        dependant = getattr(route, "dependant", None)
        if not isinstance(dependant, Dependant) or not _asks_for_principal(dependant):
            methods = sorted(getattr(route, "methods", None) or {"ANY"})
            unguarded.append(f"{','.join(methods)} {path}")
    return sorted(unguarded)


def effective_routes(routes: Sequence[BaseRoute]) -> Iterator[Any]:
    """Yield each route, those of included routers with their prefixes and dependencies."""
    for route in routes:
        # An included router stands among the routes as one entry that knows its own.
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route
        else:
            yield from contexts()


def _asks_for_principal(dependant: Dependant) -> bool:
    return any(
        isinstance(inner.call, _Requirement) or _asks_for_principal(inner)
        for inner in dependant.dependencies
    )


def _bearer_token(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            if scheme.lower() == b"bearer":
                return str(token.strip(), "latin-1")
    return None


async def _refuse(code: str, detail: str, scope: Scope, receive: Receive, send: Send) -> None:
    challenge = 'Bearer realm="wakeline"'
    if code != "unauthenticated":
        challenge += ', error="invalid_token"'
    response = problem_response(401, code, detail, headers={"WWW-Authenticate": challenge})
    await response(scope, receive, send)
