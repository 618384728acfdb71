"""The first indexes: lists of a dataset's assets, fingerprints by their keys."""

from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase


async def apply(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create the collections and their indexes; harmless when they are there."""
    there = set(await database.list_collection_names())
    for name in ("datasets", "assets", "fingerprints", "refusals"):
        if name not in there:  # creating one inside a transaction would conflict
            await database.create_collection(name)
    await database["assets"].create_indexes(
        [
            IndexModel([("dataset_id", ASCENDING), ("state", ASCENDING), ("_id", ASCENDING)]),
            IndexModel([("dataset_id", ASCENDING), ("_id", ASCENDING)]),
        ]
    )
    await database["fingerprints"].create_indexes(
        [IndexModel([("dataset_id", ASCENDING), ("keys", ASCENDING)])]
    )
    await database["refusals"].create_indexes(
        [IndexModel([("dataset_id", ASCENDING), ("_id", ASCENDING)])]
    )
