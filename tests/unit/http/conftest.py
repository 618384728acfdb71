"""An app of the library's own, and clients that call it as somebody."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import orjson
import pytest
import structlog
from fastapi import APIRouter, FastAPI
from httpx import ASGITransport, AsyncClient
from pytest_asyncio import fixture

from wakeline_auth import AuthSettings, Issuer, Role, Verifier
from wakeline_http import Readiness, create_app, readiness_of


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    """Keeps structlog's default, which draws a picture of every traceback, out of the tests."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[_nothing])
    yield
    structlog.reset_defaults()


def _nothing(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
    return ""


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer.create()


@pytest.fixture(scope="session")
def verifier(issuer: Issuer) -> Verifier:
    jwks = orjson.dumps(issuer.jwks()).decode()
    return Verifier(AuthSettings(issuer=issuer.issuer, jwks=jwks))


AppOf = Callable[..., FastAPI]


@pytest.fixture
def app_of(verifier: Verifier) -> AppOf:
    """Builds an app of some routers, with no checks and no errors of its own unless given."""

    def build(
        *routers: APIRouter,
        problems: Mapping[type[Exception], int] | None = None,
        readiness: Readiness | None = None,
        **options: Any,
    ) -> FastAPI:
        chosen: Sequence[APIRouter] = routers
        return create_app(
            "testing",
            routers=chosen,
            problems=problems or {},
            verifier=options.get("verifier", verifier),
            readiness=readiness or readiness_of({}),
            services={"ingest": "http://ingest", "labeling": "http://labeling"},
        )

    return build


@fixture
async def clients(issuer: Issuer) -> AsyncIterator[Callable[..., AsyncClient]]:
    """Opens clients of an app that call as the holder of some roles; none: without a token."""
    opened: list[AsyncClient] = []

    def of(app: FastAPI, *roles: Role, person_id: str = "p-1") -> AsyncClient:
        token = issuer.mint(person_id, roles, team_id="team-1") if roles else None
        client = AsyncClient(
            transport=ASGITransport(app, raise_app_exceptions=False),
            base_url="http://testing",
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )
        opened.append(client)
        return client

    yield of
    for client in opened:
        await client.aclose()
