"""The first indexes, and the collections that transactions write to first."""

from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

COLLECTIONS = ("stages", "servings", "targets", "uploads", "predictions")


async def apply(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create what is missing."""
    there = set(await database.list_collection_names())
    for name in COLLECTIONS:
        # Creating a collection inside a transaction conflicts with every other one.
        if name not in there:
            await database.create_collection(name)
    await database["stages"].create_indexes([IndexModel([("project_id", ASCENDING)])])
    await database["targets"].create_indexes(
        [
            IndexModel(
                [
                    ("stage_id", ASCENDING),
                    ("priority", DESCENDING),
                    ("answer.uncertainty", DESCENDING),
                    ("_id", ASCENDING),
                ],
                name="most_urgent",
                partialFilterExpression={"open": True},
            ),
            IndexModel(
                [("stage_id", ASCENDING), ("_id", ASCENDING)],
                name="holdout",
                partialFilterExpression={"holdout": True},
            ),
            IndexModel(
                [("stage_id", ASCENDING), ("answer.epoch", ASCENDING), ("_id", ASCENDING)],
                name="unanswered",
            ),
        ]
    )
    newest = [("at", DESCENDING), ("_id", DESCENDING)]
    await database["predictions"].create_indexes(
        [
            IndexModel([("task_id", ASCENDING), *newest]),
            IndexModel([("asset_id", ASCENDING), *newest]),
        ]
    )
