"""The first indexes, and the collections that transactions write to first."""

from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

NEWEST = [("stage_id", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)]


async def apply(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create what is missing."""
    await database["stages"].create_indexes([IndexModel([("project_id", ASCENDING)])])
    await database["labels"].create_indexes(
        [
            IndexModel(
                [
                    ("stage_id", ASCENDING),
                    ("asset_id", ASCENDING),
                    ("round", ASCENDING),
                    ("_id", ASCENDING),
                ]
            ),
            IndexModel(
                [("dataset_id", ASCENDING), ("group", ASCENDING)],
                partialFilterExpression={"unassisted": True},
            ),
            IndexModel([("stage_id", ASCENDING), ("arm", ASCENDING)]),
        ]
    )
    await database["benchmarks"].create_indexes(
        [
            IndexModel([("stage_id", ASCENDING), ("asset_id", ASCENDING)]),
            IndexModel([("dataset_id", ASCENDING)]),
        ]
    )
    await database["assets"].create_indexes(
        [
            IndexModel([("dataset_id", ASCENDING), ("group", ASCENDING)]),
            IndexModel([("relatives", ASCENDING)]),
            IndexModel([("digest", ASCENDING)]),
        ]
    )
    await database["splits"].create_indexes([IndexModel([("_id.dataset", ASCENDING)])])
    await database["holdout_predictions"].create_indexes(
        [IndexModel([("stage_id", ASCENDING), ("serving_epoch", ASCENDING)])]
    )
    await database["runs"].create_indexes(
        [
            IndexModel(
                [("stage_id", ASCENDING)],
                name="one_active_run_a_stage",
                unique=True,
                partialFilterExpression={"active": True},
            ),
            IndexModel(NEWEST),
        ]
    )
    await database["models"].create_indexes([IndexModel(NEWEST)])
    await database["dataset_versions"].create_indexes([IndexModel(NEWEST)])
    # Collections that a transaction writes first must exist: creating one inside conflicts.
    if "datasets" not in await database.list_collection_names():
        await database.create_collection("datasets")
