"""Which benchmarks somebody has had; ordinary slots are not in this index."""

from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase


async def apply(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create what is missing."""
    benchmarks = {"arm": "benchmark"}
    own = IndexModel(
        [("queue", ASCENDING)], name="own_benchmarks", partialFilterExpression=benchmarks
    )
    await database["slots"].create_indexes([own])
