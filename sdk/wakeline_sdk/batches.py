"""Long lists cut into requests that stay below the platform's limits."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic_core import to_json

MOST_ITEMS = 500
MOST_BYTES = 4_000_000
"""Of the JSON of one request; the platform's limits are 1,000 items and 8 MB."""


def batches(
    items: Iterable[Mapping[str, Any]], most: int = MOST_ITEMS
) -> Iterator[list[Mapping[str, Any]]]:
    """The items in lists of at most so many, and 4 MB unless a single one is larger."""
    batch: list[Mapping[str, Any]] = []
    size = 0
    for item in items:
        length = len(to_json(item))
        if batch and (len(batch) == most or size + length > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch
