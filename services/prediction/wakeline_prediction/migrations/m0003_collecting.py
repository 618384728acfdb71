"""What is needed to delete uploads that were replaced, and blobs that nothing names."""

from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

from wakeline_messaging import job_row_id
from wakeline_prediction.usecases.collecting import COLLECT, EVERY


async def apply(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create the indexes, note what earlier releases replaced, and ask for the job, once."""
    by_blob = IndexModel([("shapes.blob.key", ASCENDING)], sparse=True)
    replaced = IndexModel([("replaced_at", ASCENDING)], sparse=True)
    await database["predictions"].create_indexes([by_blob])
    await database["uploads"].create_indexes([by_blob, replaced])
    await (await database["uploads"].aggregate(_REPLACED)).to_list()
    now = datetime.now(UTC)
    row = {
        "kind": COLLECT,
        "payload": {},
        "priority": 0,
        "state": "queued",
        "attempt": 0,
        "asked": 1,
        "not_before": now + EVERY,
        "created_at": now,
        "trace": None,
        "correlation": None,
    }
    once = {"_id": job_row_id(COLLECT, COLLECT)}
    await database["jobs"].update_one(once, {"$setOnInsert": row}, upsert=True)


_STANDING = {
    "$lookup": {
        "from": "targets",
        "localField": "target",
        "foreignField": "_id",
        "as": "target",
        "pipeline": [{"$project": {"uploads.id": 1}}],
    }
}
_REPLACED: list[dict[str, Any]] = [
    {"$match": {"replaced_at": None}},
    {"$project": {"target": {"$concat": ["$stage_id", "|", "$asset_id"]}}},
    _STANDING,
    {"$set": {"standing": {"$ifNull": [{"$first": "$target.uploads.id"}, []]}}},
    {"$match": {"$expr": {"$not": {"$in": ["$_id", "$standing"]}}}},
    {"$project": {"replaced_at": "$$NOW"}},
    {"$merge": {"into": "uploads", "whenMatched": "merge", "whenNotMatched": "discard"}},
]
"""Notes of each upload that is none of its target's."""
