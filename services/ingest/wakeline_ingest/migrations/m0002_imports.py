"""Sources with their objects, imports with their reports, and assets whose bytes are away."""

from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase


async def apply(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create the collections and their indexes; harmless when they are there."""
    there = set(await database.list_collection_names())
    for name in ("sources", "objects", "imports", "import_lines"):
        if name not in there:  # creating one inside a transaction would conflict
            await database.create_collection(name)
    await database["sources"].create_indexes(
        [IndexModel([("dataset_id", ASCENDING), ("source_id", ASCENDING)])]
    )
    await database["objects"].create_indexes(
        [
            IndexModel([("source", ASCENDING), ("state", ASCENDING), ("seen", ASCENDING)]),
            IndexModel([("asset_id", ASCENDING), ("state", ASCENDING)]),
        ]
    )
    await database["imports"].create_indexes(
        [IndexModel([("dataset_id", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)])]
    )
    await database["import_lines"].create_indexes(
        [
            IndexModel([("import_id", ASCENDING), ("_id", ASCENDING)]),
            IndexModel([("import_id", ASCENDING), ("outcome", ASCENDING), ("_id", ASCENDING)]),
        ]
    )
    await database["assets"].create_indexes(
        [
            IndexModel(
                [("dataset_id", ASCENDING), ("presence", ASCENDING), ("_id", ASCENDING)],
                partialFilterExpression={"absent_since": {"$type": "date"}},
                name="absent",
            )
        ]
    )
