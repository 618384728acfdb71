"""The services as tests see them without any server: their apps, routes and handlers."""

from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import httpx
import orjson
from fastapi import FastAPI

from wakeline_auth import Issuer, Role, Verifier
from wakeline_events.base import ServiceName
from wakeline_events.registry import EVENT_CLASSES
from wakeline_http import create_app, readiness_of
from wakeline_process import Service
from wakeline_process.operations import operations_router
from wakeline_process.processes import PROBLEMS

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "schemas"
SERVICES: tuple[ServiceName, ...] = get_args(ServiceName)
ISSUER = Issuer.create()


class StoreAwayError(Exception):
    """What a route of these apps meets where it asks for anything."""

    code = "store-unavailable"


class Away:
    """A runtime that holds nothing: units of work can be opened, but not asked."""

    @property
    def stores(self) -> SimpleNamespace:
        return SimpleNamespace(open=lambda session: Away(), transactions=Away())

    @property
    def resources(self) -> "Away":
        return Away()

    def __getattr__(self, name: str) -> Any:
        raise StoreAwayError(name)


@cache
def service_of(name: ServiceName) -> Service[Any, Any]:
    """A service as its own wiring builds it; nothing is opened."""
    settings = import_module(f"wakeline_{name}.settings").Settings
    chosen = settings(
        mongo={"dsn": "mongodb://nowhere.invalid", "database": name},
        kafka={"bootstrap": "nowhere.invalid:9092"},
        blobs={"endpoint": "nowhere.invalid", "access_key": "none", "secret_key": "none"},
        auth={"issuer": ISSUER.issuer, "jwks": orjson.dumps(ISSUER.jwks()).decode()},
        http={"port": 1},
    )
    found: Service[Any, Any] = import_module(f"wakeline_{name}.wiring").service(chosen)
    return found


@cache
def app_of(name: ServiceName) -> FastAPI:
    """A service's app with all its routes, and nothing behind them."""
    service = service_of(name)
    app = create_app(
        name,
        routers=[*service.routers, operations_router(name)],
        problems={**service.problems, **PROBLEMS},
        verifier=Verifier(service.settings.auth),
        readiness=readiness_of({}),
        services={},
    )
    # Whoever gets past a route's permission meets stores that are away: 503, never 403.
    app.state.runtime = Away()
    return app


_DOCUMENTS: dict[str, dict[str, Any]] = {}


async def openapi_of(name: ServiceName) -> dict[str, Any]:
    """A service's OpenAPI document, as a client gets it."""
    if name not in _DOCUMENTS:
        async with client_of(name, Role.AUDITOR) as client:
            response = await client.get("/openapi.json")
        assert response.status_code == 200, response.text
        _DOCUMENTS[name] = response.json()
    return _DOCUMENTS[name]


def client_of(name: ServiceName, *roles: Role) -> httpx.AsyncClient:
    """A client with a token of these roles; without roles it has no token."""
    headers = {}
    if roles:
        token = ISSUER.mint("p-contract", set(roles), "team")
        headers["Authorization"] = f"Bearer {token}"
    transport = httpx.ASGITransport(app=app_of(name), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers)


async def operations_of(name: ServiceName) -> dict[tuple[str, str], dict[str, Any]]:
    """(METHOD, path) -> what the OpenAPI document says of it, public paths left out."""
    document = await openapi_of(name)
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "security" in operation
    }


def consumed_by(name: ServiceName) -> set[str]:
    """The event types that a service has a handler for."""
    handlers = import_module(f"wakeline_{name}.handlers").handlers
    if handlers is None:
        return set()
    return {event.TYPE for event in EVENT_CLASSES if handlers.of(event.TYPE) is not None}
