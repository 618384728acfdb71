"""The indexes of the collections that messaging keeps in every service's database."""

from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

IDEMPOTENCY_SECONDS = 24 * 3600
"""How long the result of a POST can be asked for again."""
FAILED_JOB_SECONDS = 30 * 24 * 3600
"""How long a job that was given up can be looked at, and tried again."""


async def create_indexes(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create what is missing; harmless when it is there."""
    await database["outbox"].create_indexes(
        [IndexModel([("key", ASCENDING), ("sequence", ASCENDING)], unique=True)]
    )
    await database["parked"].create_indexes(
        [
            IndexModel([("stream", ASCENDING), ("sequence", ASCENDING)]),
            IndexModel([("reason", ASCENDING), ("next_try", ASCENDING)]),
            IndexModel([("since", ASCENDING)]),
        ]
    )
    await database["waiting"].create_indexes(
        [
            IndexModel([("name", ASCENDING), ("topic", ASCENDING), ("key", ASCENDING)]),
            IndexModel([("next_try", ASCENDING)]),
            IndexModel([("since", ASCENDING)]),
        ]
    )
    await database["jobs"].create_indexes(
        [
            IndexModel(
                [("kind", ASCENDING), ("priority", DESCENDING), ("created_at", ASCENDING)],
                partialFilterExpression={"state": {"$in": ["queued", "running"]}},
            ),
            IndexModel(
                [("failed_at", ASCENDING)],
                expireAfterSeconds=FAILED_JOB_SECONDS,
                partialFilterExpression={"state": "failed"},
            ),
        ]
    )
    # Given up by a release that did not write down when.
    undated = {"state": "failed", "failed_at": {"$exists": False}}
    await database["jobs"].update_many(undated, [{"$set": {"failed_at": "$$NOW"}}])
    await database["idempotency"].create_indexes(
        [IndexModel([("at", ASCENDING)], expireAfterSeconds=IDEMPOTENCY_SECONDS)]
    )
    for name in ("line_imports", "line_refusals"):
        await database[name].create_indexes(
            [IndexModel([("at", ASCENDING)], expireAfterSeconds=IDEMPOTENCY_SECONDS)]
        )
    await database["line_refusals"].create_indexes(
        [IndexModel([("import", ASCENDING), ("line", ASCENDING)])]
    )
    # Collections that a transaction writes first must exist: creating one inside conflicts.
    there = set(await database.list_collection_names())
    for name in ("streams", "marks", "dead", "replays", "operations"):
        if name not in there:
            await database.create_collection(name)
