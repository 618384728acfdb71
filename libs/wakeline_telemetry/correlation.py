"""The correlation id: one name for a request and everything that it causes, in every service.

It comes in with a request (``X-Correlation-Id``) or an event, is bound to the current task, and
goes out with every log line, event and problem that follows from it.
"""

import re
import secrets
from contextvars import ContextVar

_current: ContextVar[str | None] = ContextVar("wakeline_correlation_id", default=None)
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}", re.ASCII)


def new() -> str:
    """Return a fresh id: 32 hexadecimal digits, unguessable."""
    return secrets.token_hex(16)


def current() -> str:
    """Return the id of the current task, binding a fresh one where there is none yet."""
    return _current.get() or bind(None)


def bind(correlation_id: str | None) -> str:
    """Make an id the current task's and return it.

    An id that is missing, longer than 128 characters or made of other characters than
    ``A-Z a-z 0-9 . _ : / + = -`` is replaced by a fresh one: it came from outside, and ends up
    in log lines and headers.
    """
    if correlation_id is None or not _ACCEPTABLE.fullmatch(correlation_id):
        correlation_id = new()
    _current.set(correlation_id)
    return correlation_id


def peek() -> str | None:
    """Return the id of the current task, or None where nothing was bound."""
    return _current.get()
