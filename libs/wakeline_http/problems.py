"""Where an error meets an HTTP status: every refusal is an RFC 9457 problem with a stable code."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol, cast

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wakeline_http.authentication import ForbiddenError
from wakeline_http.pages import InvalidCursorError
from wakeline_http.responses import problem_response
from wakeline_storage import store_is_away
from wakeline_telemetry import correlation

CODES_KEY = "x-wakeline-codes"
"""Where a route's documentation keeps its problems' codes until the app knows their statuses."""

STORE_UNAVAILABLE = "store-unavailable"
_RETRY_AFTER_SECONDS = 5
_MOST_ERRORS = 20
_MOST_CHARACTERS = 300
"""Of each word of an error that the caller may have chosen."""
_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_BUILT_IN: Mapping[type[Exception], int] = {ForbiddenError: 403, InvalidCursorError: 422}
_log = structlog.get_logger(__name__)


class DomainError(Protocol):
    """What an error class needs, to become a problem: a stable code, and a status in a table.

    ``str(error)`` is the detail. An optional attribute ``extra`` (a mapping) is merged into the
    document, an optional ``retry_after`` (whole seconds) becomes the header Retry-After.
    """

    code: str


def problems(*error_types: type[Exception]) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route that may fail with these errors.

    Their statuses stand in the service's table, which the app knows and a route does not: the
    OpenAPI document puts each under its status when it is made.
    """
    codes = [code_of(error_type) for error_type in error_types]
    return {"default": {"description": "Problems", CODES_KEY: codes}}


def code_of(error_type: type[Exception]) -> str:
    """Return an error class's stable code.

    Raises
    ------
    TypeError
        If the class has none, or it is not of the form ``lease-expired``.
    """
    code = getattr(error_type, "code", None)
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise TypeError(f"{error_type.__name__} needs a class attribute code like 'lease-expired'")
    return code


def statuses_by_code(table: Mapping[type[Exception], int]) -> dict[str, int]:
    """Return the status of every code that a service's errors and the framework's may have."""
    return {code_of(error_type): status for error_type, status in {**_BUILT_IN, **table}.items()}


def install(app: FastAPI, table: Mapping[type[Exception], int]) -> None:
    """Turn the errors of a service and of the framework into problems.

    Raises
    ------
    TypeError
        If an error class of the table has no usable code.
    """
    for error_type, status in {**_BUILT_IN, **table}.items():
        code_of(error_type)
        app.add_exception_handler(error_type, _domain_handler(status))
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)


def _domain_handler(status: int) -> Any:
    async def on_domain_error(request: Request, error: Exception) -> Response:
        domain_error = cast(DomainError, error)
        retry_after = getattr(error, "retry_after", None)
        return problem_response(
            status,
            domain_error.code,
            str(error),
            extra=getattr(error, "extra", None),
            headers=None if retry_after is None else {"Retry-After": str(retry_after)},
        )

    return on_domain_error


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {413: "too-large", 404: "not-found"}.get(error.status_code)
    if code is None:
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-").replace("'", "")
    return problem_response(
        error.status_code, code, str(error.detail), headers=getattr(error, "headers", None)
    )


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    # Without the input: it may be megabytes, or hold what must not be sent back.
    errors = [{"loc": _place(each), "msg": _message(each)} for each in found[:_MOST_ERRORS]]
    left = len(found) - len(errors)
    more = f" ({left} more than are listed)" if left else ""
    detail = f"the request is not valid in {len(found)} place{'s'[: len(found) != 1]}{more}"
    return problem_response(422, "invalid-request", detail, errors=errors)


def _place(found: Mapping[str, Any]) -> list[str | int]:
    # A field's name is the caller's, and may be as long as the body.
    return [part if isinstance(part, int) else part[:_MOST_CHARACTERS] for part in found["loc"]]


def _message(found: Mapping[str, Any]) -> str:
    # FastAPI says only that JSON is wrong; the reader's own words say what is wrong with it.
    if found["type"] == "json_invalid":
        return f"not JSON: {found['ctx']['error']}"
    return str(found["msg"])[:_MOST_CHARACTERS]


def of_unexpected(error: Exception) -> Response:
    """Log an error that no handler knew, and build its problem.

    A store that is out of reach is nobody's mistake: the caller is asked to try again. Anything
    else is ours, and its details stay in the log under the correlation id.
    """
    extra = {"correlation_id": correlation.current()}
    if store_is_away(error):
        _log.warning("store unavailable", error=f"{type(error).__name__}: {error}")
        return problem_response(
            503,
            STORE_UNAVAILABLE,
            "a store is out of reach; try again",
            extra=extra,
            headers={"Retry-After": str(_RETRY_AFTER_SECONDS)},
        )
    _log.error("request failed", exc_info=error)
    return problem_response(
        500,
        "internal-error",
        "something went wrong here; the operators find it by the correlation id",
        extra=extra,
    )
