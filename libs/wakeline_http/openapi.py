"""The OpenAPI document of a service: FastAPI's, with what FastAPI cannot know."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from wakeline_http.authentication import PUBLIC_PATHS
from wakeline_http.problems import CODES_KEY

_PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "type": "object",
    "description": "RFC 9457 problem details. `code` is stable; programs should look at it alone.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"loc": {"type": "array"}, "msg": {"type": "string"}},
            },
        },
        "correlation_id": {"type": "string"},
    },
}
_FRAMEWORK_SCHEMAS = ("HTTPValidationError", "ValidationError")


def document(app: FastAPI, statuses: Mapping[str, int]) -> dict[str, Any]:
    """Return the OpenAPI document of an app whose problems have the given statuses by code.

    Raises
    ------
    LookupError
        If a route documents an error that does not stand in the service's table of problems.
    """
    found = get_openapi(title=app.title, version=app.version, routes=app.routes)
    for path, operation in _operations(found):
        responses = operation.setdefault("responses", {})
        by_status: dict[int, list[str]] = {}
        if path not in PUBLIC_PATHS:
            by_status = {401: ["unauthenticated", "token-expired"], 403: ["forbidden"]}
            operation["security"] = [{"bearer": []}]
        if operation.get("parameters") or "requestBody" in operation:
            by_status[422] = ["invalid-request"]
        for code in responses.get("default", {}).get(CODES_KEY, ()):
            if code not in statuses:
                raise LookupError(f"{path} documents {code!r}, which is in no table of problems")
            by_status.setdefault(statuses[code], []).append(code)
        if CODES_KEY in responses.get("default", {}):
            del responses["default"]
        for status, codes in sorted(by_status.items()):
            responses[str(status)] = _problem(status, codes)
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _FRAMEWORK_SCHEMAS:
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM_SCHEMA
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    return found


def _operations(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in found.get("paths", {}).items():
        for operation in item.values():
            yield path, operation


def _problem(status: int, codes: list[str]) -> dict[str, Any]:
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(f'`{code}`' for code in codes)}",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
