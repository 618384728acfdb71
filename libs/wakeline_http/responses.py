"""Responses that are written here and not by the framework."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.responses import Response


class JsonResponse(Response):
    """JSON by orjson, for what has no response model.

    A route with a response model is better off without it: FastAPI then writes the bytes straight
    from pydantic, without a dictionary in between.
    """

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the content as JSON bytes."""
        return orjson.dumps(content)


class ProblemResponse(JsonResponse):
    """An RFC 9457 problem document."""

    media_type = "application/problem+json"


def problem_response(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[Mapping[str, Any]] | None = None,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> ProblemResponse:
    """Build a problem: ``code`` is stable and for programs, ``detail`` is for people.

    Members of ``extra`` stand beside the standard ones and never replace them.
    """
    body: dict[str, Any] = {
        **(extra or {}),
        "type": f"urn:wakeline:problem:{code}",
        "title": code.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors is not None:
        body["errors"] = errors
    return ProblemResponse(body, status_code=status, headers=dict(headers) if headers else None)
