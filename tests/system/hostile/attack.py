"""One hostile input, and what an answer to it may look like: pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Expected = Literal["refused", "items refused", "import refused", "answered"]
"""``refused``: a problem. ``items refused``: a report in which every item is. ``import refused``: a
problem, or an import that ends with nothing taken in. ``answered``: whatever, for an input that may
be harmless."""
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Attack:
    """One request."""

    family: str
    name: str
    service: str
    method: str
    path: str
    """As it goes over the wire: percent-encoded."""
    role: str = "admin"
    expected: Expected = "refused"
    request: Mapping[str, Any] = field(default_factory=dict)
    """For httpx: ``content``, ``headers``, ``files``, ``params``."""

    def __str__(self) -> str:
        return f"{self.family}: {self.name} to {self.method} {self.service}{self.path[:120]}"


def wrong(attack: Attack, status: int, content_type: str, body: bytes) -> str | None:
    """What is wrong with an answer; None if it is as it should be."""
    if status >= 500:
        return f"{attack} was answered with {status}: {body[:200]!r}"
    if status >= 400:
        return _not_a_problem(attack, status, content_type, body)
    if attack.expected == "refused":
        return f"{attack} was taken with {status}: {body[:200]!r}"
    if attack.expected == "items refused":
        items = json.loads(body)["items"]
        bad = [one for one in items if one["status"] != "refused" or not one["detail"]]
        if bad or not items:
            return f"{attack} was taken: {bad}"
    return None


def wrong_import(attack: Attack, ended: Mapping[str, Any], lines: list[Any]) -> str | None:
    """What is wrong with an import that came of a request; None if it was refused with a reason."""
    if ended["state"] == "failed":
        good = CODE.fullmatch(str(ended["code"])) and ended["message"]
        return None if good else f"{attack} failed without a reason: {ended}"
    taken = [one for one in lines if one["outcome"] != "refused"]
    silent = [one for one in lines if not (one["code"] and one["message"])]
    if taken or (silent and not taken):
        return f"{attack} was taken: {(taken or silent)[:2]}"
    return None


def _not_a_problem(attack: Attack, status: int, content_type: str, body: bytes) -> str | None:
    if not content_type.startswith("application/problem+json"):
        return f"{attack}: {status} is no problem document but {content_type}: {body[:100]!r}"
    try:
        problem = json.loads(body)
    except ValueError:
        return f"{attack}: {status} is not JSON: {body[:100]!r}"
    if not CODE.fullmatch(str(problem.get("code"))):
        return f"{attack}: {status} has no code: {problem}"
    if not str(problem.get("detail") or ""):
        return f"{attack}: {status} {problem['code']} gives no reason"
    return None
