"""Declared uploads, and lists of assets by their group, their name and what is said of them."""

from typing import Any

from pymongo import ASCENDING, IndexModel, UpdateOne
from pymongo.asynchronous.database import AsyncDatabase

from wakeline_ingest.domain.metadata import tags_of

BATCH = 1_000


async def apply(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create the collection and the indexes; what is known of old assets is made findable."""
    if "uploads" not in await database.list_collection_names():
        await database.create_collection("uploads")
    assets = database["assets"]
    batch: list[UpdateOne] = []
    async for row in assets.find({"tags": {"$exists": False}}, {"declared.metadata": 1}):
        tags = tags_of(row["declared"]["metadata"])
        batch.append(UpdateOne({"_id": row["_id"]}, {"$set": {"tags": tags}}))
        if len(batch) == BATCH:
            await assets.bulk_write(batch, ordered=False)
            batch.clear()
    if batch:
        await assets.bulk_write(batch, ordered=False)
    await assets.create_indexes(
        [
            IndexModel([("dataset_id", ASCENDING), (field, ASCENDING), ("_id", ASCENDING)])
            for field in ("tags", "group", "declared.file_name")
        ]
    )
