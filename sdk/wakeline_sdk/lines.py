"""Long lists as JSON lines, cut into requests that fit into memory whatever their sum."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic_core import to_json

MOST_LINES = 5_000
MOST_BYTES = 4_000_000
"""Of one request. The platform takes any number; a request that breaks off is sent again."""


class Segment(NamedTuple):
    """Some lines of a list."""

    first: int
    """How many lines came before."""
    lines: int
    content: bytes


def segments(items: Iterable[Mapping[str, Any]]) -> Iterator[Segment]:
    """The items as JSON lines, in segments of at most 4 MB unless a single one is larger."""
    first, held, size = 0, list[bytes](), 0
    for item in items:
        # What is no number has no place in JSON: the platform refuses the line, and says where.
        line = to_json(item, inf_nan_mode="null")
        if held and (len(held) == MOST_LINES or size + len(line) > MOST_BYTES):
            yield Segment(first, len(held), b"\n".join(held))
            first, held, size = first + len(held), [], 0
        held.append(line)
        size += len(line)
    if held:
        yield Segment(first, len(held), b"\n".join(held))
