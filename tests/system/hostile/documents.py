"""What schemathesis makes of each service's own OpenAPI document."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import (
    HypothesisWarning,
    NonInteractiveExampleWarning,
    Unsatisfiable,
)
from schemathesis import GenerationMode
from schemathesis.core.errors import SerializationNotPossible

from tests.system.hostile.attack import Attack


@schemathesis.serializer("application/x-ndjson", "text/csv", "application/octet-stream")
def _as_lines(_: Any, value: Any) -> bytes:
    """Generated values as lines of JSON; whatever a route wants instead, it has to refuse them."""
    if isinstance(value, bytes):
        return value
    lines = value if isinstance(value, list) else [value]
    return b"".join(json.dumps(line, default=str).encode() + b"\n" for line in lines)


_NOT_OURS = frozenset({"host", "content-length", "transfer-encoding", "authorization"})
"""Headers that make another request of it, or none."""


def attacks(
    documents: Mapping[str, Mapping[str, Any]], urls: Mapping[str, str], each: int
) -> Iterator[Attack]:
    """``each`` requests that fit and as many that do not, for each operation; always the same."""
    for service, document in documents.items():
        schema = schemathesis.openapi.from_dict(dict(document))
        for result in schema.get_all_operations():
            operation = result.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                for number, case in enumerate(_cases(operation, mode, each)):
                    yield _attack(f"{mode.value} {number}", service, case, urls[service])


def _cases(operation: Any, mode: GenerationMode, each: int) -> list[Any]:
    made: list[Any] = []

    @given(operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=each,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def collect(case: Any) -> None:
        made.append(case)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)
        warnings.simplefilter("ignore", NonInteractiveExampleWarning)
        # nothing of the operation may be negated, or its body is of a kind of its own
        with suppress(Unsatisfiable, SerializationNotPossible):
            collect()
    return made[:each]


def _attack(name: str, service: str, case: Any, url: str) -> Attack:
    told = case.as_transport_kwargs(base_url=url)
    headers = {
        key: value
        for key, value in dict(told.get("headers") or {}).items()
        if key.lower() not in _NOT_OURS
    }
    request = {"headers": headers}
    for ours, theirs in (("params", "params"), ("content", "data"), ("json", "json")):
        if told.get(theirs) is not None:
            request[ours] = told[theirs]
    if told.get("files"):
        request["files"] = told["files"]
        request["data"] = request.pop("content", None) or {}
    path = told["url"].removeprefix(url)
    return Attack(
        "documents", name, service, case.method, path, expected="answered", request=request
    )
