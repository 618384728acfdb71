"""Builds the app of a service: its routers, inside what is the same for all services."""

import copy
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute, request_response
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import Lifespan

from wakeline_auth import Principal, Verifier
from wakeline_http import openapi
from wakeline_http import problems as problem_handling
from wakeline_http.authentication import Authentication, authenticated, effective_routes
from wakeline_http.envelope import Envelope
from wakeline_http.health import Readiness, health_router
from wakeline_http.routing import Router, StrictRoute

_Anyone = Annotated[Principal, Depends(authenticated)]


def create_app(
    name: str,
    *,
    routers: Sequence[APIRouter],
    problems: Mapping[type[Exception], int],
    verifier: Verifier,
    readiness: Readiness,
    services: Mapping[str, str],
    lifespan: Lifespan[FastAPI] | None = None,
) -> FastAPI:
    """Return a service's app.

    Parameters
    ----------
    name : the service, for example ``labeling``
    routers : the service's routes, in routers of the class ``wakeline_http.Router``
    problems : the HTTP status of each of the service's error classes
    verifier : turns bearer tokens into principals
    readiness : see ``wakeline_http.readiness_of``
    services : base URL of each service, by name, as callers reach them
    lifespan : what surrounds the serving, if anything

    Raises
    ------
    TypeError
        If a route is not a strict one, or an error class has no code.
    """
    app = FastAPI(
        title=f"Wakeline {name}",
        # The framework's own routes for these need no principal and load a UI from a CDN.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        middleware=[Middleware(Envelope), Middleware(Authentication, verifier=verifier)],
    )
    problem_handling.install(app, problems)
    for router in (*routers, _about_router(app, problems, services), health_router(readiness)):
        _include(app, router)
    return app


def _about_router(
    app: FastAPI, problems: Mapping[type[Exception], int], services: Mapping[str, str]
) -> Router:
    router = Router(tags=["about"])
    document: list[bytes] = []

    @router.get("/v1/services")
    async def read_services(principal: _Anyone) -> dict[str, str]:
        """Return the base URL of every service, so that a client needs to know only one."""
        return dict(services)

    @router.get("/openapi.json", include_in_schema=False)
    async def read_openapi(principal: _Anyone) -> Response:
        """Return the description of this service's routes."""
        if not document:
            statuses = problem_handling.statuses_by_code(problems)
            document.append(orjson.dumps(openapi.document(app, statuses)))
        return Response(document[0], media_type="application/json")

    return router


def _include(app: FastAPI, router: APIRouter) -> None:
    """Give the app a router's routes: copies of its own, side by side.

    ``include_router`` would put the router behind an entry that matches each request twice more,
    against every route in it: 0.2 ms for a service of sixty routes.
    """
    route: Any
    for route in effective_routes(router.routes):
        original = getattr(route, "original_route", route)
        if isinstance(original, APIRoute) and not isinstance(original, StrictRoute):
            raise TypeError(
                f"{route.path} would accept NaN and bodies of any size: "
                "make its router with wakeline_http.Router"
            )
    if not all(isinstance(route, StrictRoute) for route in router.routes):
        app.include_router(router)  # it has routers of its own inside, with their prefixes
        return
    for route in router.routes:
        own = copy.copy(route)
        own.dependency_overrides_provider = app
        own.app = request_response(own.get_route_handler())
        app.router.routes.append(own)
