"""The HTTP side of every service: one way to build an app, to refuse, to page, to say how it is."""

from wakeline_http.app import create_app
from wakeline_http.authentication import authenticated, require, routes_without_principal
from wakeline_http.headers import IdempotencyKey
from wakeline_http.health import Readiness, readiness_of
from wakeline_http.pages import (
    Cursor,
    InvalidCursorError,
    Limit,
    Moment,
    Page,
    decode_cursor,
    encode_cursor,
)
from wakeline_http.problems import problems
from wakeline_http.responses import JsonResponse, problem_response
from wakeline_http.routing import DEFAULT_BODY_LIMIT, Router, body_limit

__all__ = [
    "DEFAULT_BODY_LIMIT",
    "Cursor",
    "IdempotencyKey",
    "InvalidCursorError",
    "JsonResponse",
    "Limit",
    "Moment",
    "Page",
    "Readiness",
    "Router",
    "authenticated",
    "body_limit",
    "create_app",
    "decode_cursor",
    "encode_cursor",
    "problem_response",
    "problems",
    "readiness_of",
    "require",
    "routes_without_principal",
]
