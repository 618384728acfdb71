"""What a call to Wakeline can end in."""

from collections.abc import Mapping
from typing import Any


class WakelineError(Exception):
    """The platform refused a request: an RFC 9457 problem."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", "unknown"))
        """Stable: decide on this, not on the words."""
        self.detail = str(problem.get("detail") or problem.get("title") or "no detail given")
        self.problem = dict(problem)
        super().__init__(f"{self.code} ({status}): {self.detail}{self.listed}")

    @property
    def listed(self) -> str:
        """What exactly is wrong, in lines of its own; "" where the detail says all."""
        errors = self.problem.get("errors", [])
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in errors]
        lines += [
            str(one) for one in self.problem.get("problems", []) if str(one) not in self.detail
        ]
        return "".join(f"\n  - {line}" for line in lines[:20])


class UnauthenticatedError(WakelineError):
    """The token is missing, expired or not of this platform (401)."""


class ForbiddenError(WakelineError):
    """The token's roles do not allow this (403)."""


class NotFoundError(WakelineError):
    """There is no such thing, or nothing to do (404)."""


class ConflictError(WakelineError):
    """The state does not allow this any more: a lease that is over, say (409)."""


class InvalidRequestError(WakelineError):
    """Something in the request is wrong; the message says what to do (413, 422)."""


class UnavailableError(WakelineError):
    """The platform, or a store behind it, is away or overloaded, and stayed so (429, 503)."""


class UnreachableError(Exception):
    """Nothing that is the platform, or the service that was wanted, answers."""


def error_of(status: int, problem: Mapping[str, Any]) -> WakelineError:
    """The error that fits an HTTP status."""
    kinds: dict[int, type[WakelineError]] = {
        401: UnauthenticatedError,
        403: ForbiddenError,
        404: NotFoundError,
        409: ConflictError,
        413: InvalidRequestError,
        422: InvalidRequestError,
        429: UnavailableError,
        503: UnavailableError,
    }
    return kinds.get(status, WakelineError)(status, problem)
