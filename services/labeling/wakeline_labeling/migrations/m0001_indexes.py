"""The first indexes, and the secret that arms are drawn with."""

import secrets
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

COLLECTIONS = (
    "projects",
    "project_versions",
    "stages",
    "datasets",
    "teams",
    "people",
    "assets",
    "groups",
    "tasks",
    "slots",
    "prelabels",
    "labels",
    "drafts",
    "benchmarks",
    "secrets",
)
_QUEUED = {"state": "queued"}

INDEXES: dict[str, list[IndexModel]] = {
    "slots": [
        # Serves the next slot of a queue without a sort; what is not queued is not in it.
        IndexModel(
            [
                ("queue", ASCENDING),
                ("priority", DESCENDING),
                ("rank", ASCENDING),
                ("_id", ASCENDING),
            ],
            name="queue_order",
            partialFilterExpression=_QUEUED,
        ),
        IndexModel(
            [("queue", ASCENDING), ("draw", ASCENDING)],
            name="queue_strata",
            partialFilterExpression=_QUEUED,
        ),
        IndexModel(
            [("lease.expires_at", ASCENDING)],
            name="leases",
            partialFilterExpression={"state": "leased"},
        ),
        # Nobody gets two slots of one task, whatever happens at the same time.
        IndexModel(
            [("task_id", ASCENDING), ("people", ASCENDING)],
            name="one_slot_a_person",
            unique=True,
            partialFilterExpression={"people.0": {"$exists": True}},
        ),
        # A request that comes twice leases once.
        IndexModel(
            [("request", ASCENDING)],
            name="requests",
            unique=True,
            partialFilterExpression={"request": {"$type": "string"}},
        ),
        IndexModel([("stage_id", ASCENDING), ("_id", ASCENDING)], name="of_stage"),
    ],
    "tasks": [
        IndexModel([("project_id", ASCENDING), ("_id", ASCENDING)], name="of_project"),
        IndexModel(
            [("stage_id", ASCENDING)], name="pairs", partialFilterExpression={"paired": True}
        ),
        IndexModel(
            [
                ("stage_id", ASCENDING),
                ("asset.dataset_id", ASCENDING),
                ("asset.group", ASCENDING),
            ],
            name="holdout_groups",
            partialFilterExpression={"holdout": True},
        ),
    ],
    "labels": [
        IndexModel(
            [("project_id", ASCENDING), ("submitted_at", ASCENDING), ("_id", ASCENDING)],
            name="of_project",
        ),
        IndexModel([("project_id", ASCENDING), ("uses", ASCENDING)], name="words"),
    ],
    "assets": [
        IndexModel([("dataset_id", ASCENDING), ("_id", ASCENDING)], name="of_dataset"),
        IndexModel([("unopened", ASCENDING)], name="unopened"),
    ],
    "groups": [
        IndexModel(
            [("dataset_id", ASCENDING), ("rank", ASCENDING), ("_id", ASCENDING)], name="ranks"
        )
    ],
    "people": [IndexModel([("team_id", ASCENDING), ("_id", ASCENDING)], name="of_team")],
    "project_versions": [
        IndexModel([("project_id", ASCENDING), ("version", DESCENDING)], name="of_project")
    ],
}


async def apply(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create what is missing; a secret that is there stays."""
    there = set(await database.list_collection_names())
    for name in COLLECTIONS:
        # Creating a collection inside of a transaction conflicts with everything else.
        if name not in there:
            await database.create_collection(name)
    for name, indexes in INDEXES.items():
        await database[name].create_indexes(indexes)
    await database["secrets"].update_one(
        {"_id": "arms"}, {"$setOnInsert": {"key": secrets.token_bytes(32)}}, upsert=True
    )
