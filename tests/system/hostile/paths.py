"""Hostile names: in paths, queries, headers, file names."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from tests.system.hostile.attack import Attack
from tests.system.hostile.bodies import filled

NAMES = (
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2fassets",
    "..%5c..%5cwindows",
    "%00",
    "a%00b",
    "%ff%fe",
    "%f0%9f%92%a3",
    "%e2%80%ae%74%78%74",
    "%24where",
    "%7b%22%24gt%22:%22%22%7d",
    "*",
    "%20",
    "a" * 3_000,
    "1e400",
    "-1",
    "%0d%0aSet-Cookie:%20a=b",
    "'%20or%201=1",
    "%3cscript%3e",
)


def _cursor(*position: object) -> str:
    """A cursor of the right form that no service handed out."""
    return urlsafe_b64encode(json.dumps(position).encode()).decode()


QUERIES: tuple[tuple[str, str], ...] = (
    ("cursor", "garbage"),
    ("cursor", "eyIkZ3QiOiAiIn0="),
    ("cursor", "bnVsbA=="),
    ("cursor", "W251bGxd"),
    ("cursor", "WzFlNDAwXQ=="),
    ("cursor", "A" * 5_000),
    ("cursor", _cursor("x", "y")),
    ("cursor", _cursor("0001-01-01T00:00:00+23:59", "y")),
    ("cursor", _cursor(10**18, "y")),
    ("cursor", _cursor(2**63)),
    ("cursor", _cursor(2**63, 2**64 - 1)),
    ("cursor", _cursor(-1, -1)),
    ("cursor", "\x00"),
    ("limit", "-1"),
    ("limit", "0"),
    ("limit", "1000000000"),
    ("limit", "1e9"),
    ("limit", "NaN"),
    ("state", "{'$ne': null}"),
    ("kind", "../../etc"),
    ("metadata", "a=" + "[" * 2_000),
    ("metadata", 'a="\\ud800"'),
    ("metadata", "a=1e999"),
    ("since", "0001-01-01T00:00:00+23:59"),
    ("until", "9999-12-31T23:59:59-23:59"),
    ("opened_before", "0001-01-01T00:00:00+23:59"),
    ("priority_from", "9" * 30),
)
HEADERS: tuple[Mapping[str, str], ...] = (
    {"Idempotency-Key": "x" * 5_000},
    {"Idempotency-Key": "a b\tc"},
    {"Idempotency-Key": "{}:$ne"},
    {"Authorization": "Bearer a.b.c"},
    {"Authorization": "Bearer " + "e30." * 1_000},
    {"Authorization": "Basic cm9vdDpyb290"},
    {"traceparent": "00-" + "0" * 32 + "-zz"},
    {"X-Correlation-Id": "\\r\\n" * 100},
)


def attacks(
    documents: Mapping[str, Mapping[str, Any]], known: Mapping[str, str]
) -> Iterator[Attack]:
    """Each hostile name in each place of each route that reads.

    ``known``: path parameter -> a value that exists, so that a query gets past the path.
    """
    for service, document in documents.items():
        for path, methods in document["paths"].items():
            if "get" not in methods or path.startswith("/health"):
                continue
            parameters = methods["get"].get("parameters", ())
            for number, name in enumerate(NAMES):
                if "{" in path:
                    yield _get("names", f"name {number}", service, _with(path, name))
            mine = {one["name"] for one in parameters if one["in"] == "query"}
            for name, value in QUERIES:
                if name in mine:
                    request = {"params": {name: value}}
                    what = f"{name}={value[:20]!r}"
                    yield _get("queries", what, service, filled(path, known), request)
        for number, headers in enumerate(HEADERS):
            request = {"headers": headers}
            yield _get("headers", f"header {number}", service, "/v1/services", request)


def _get(
    family: str, name: str, service: str, path: str, request: Mapping[str, Any] | None = None
) -> Attack:
    return Attack(family, name, service, "GET", path, expected="answered", request=request or {})


def _with(path: str, name: str) -> str:
    while "{" in path:
        path = path[: path.index("{")] + name + path[path.index("}") + 1 :]
    return path
