"""What the search for tasks needs: every page in the order of an index."""

from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

INDEXES: dict[str, list[IndexModel]] = {
    "tasks": [
        IndexModel(
            [("stage_id", ASCENDING), ("state", ASCENDING), ("_id", ASCENDING)], name="by_state"
        )
    ],
    "labels": [
        IndexModel(
            [("project_id", ASCENDING), ("person_id", ASCENDING), ("_id", ASCENDING)],
            name="by_person",
        ),
        # Takes the place of ``words``, which has no order within a word.
        IndexModel(
            [("project_id", ASCENDING), ("uses", ASCENDING), ("_id", ASCENDING)], name="by_word"
        ),
    ],
    "actions": [
        IndexModel([("project_id", ASCENDING), ("_id", ASCENDING)], name="of_project"),
    ],
}


async def apply(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create what is missing, and drop what nobody asks any more."""
    if "actions" not in await database.list_collection_names():
        await database.create_collection("actions")
    for name, indexes in INDEXES.items():
        await database[name].create_indexes(indexes)
    if "words" in await database["labels"].index_information():
        await database["labels"].drop_index("words")
