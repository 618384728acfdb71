"""What the search for tasks by who holds them, or whose team labeled them, needs."""

from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

INDEXES: dict[str, list[IndexModel]] = {
    "slots": [
        # A person's living leases: few, and in the order of their tasks.
        IndexModel(
            [("lease.person_id", ASCENDING), ("_id", ASCENDING)],
            name="leases_of_person",
            partialFilterExpression={"state": "leased"},
        )
    ],
    "labels": [
        # Also of a team that made one label in a thousand.
        IndexModel(
            [("project_id", ASCENDING), ("team_id", ASCENDING), ("_id", ASCENDING)],
            name="by_team",
        )
    ],
}


async def apply(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create what is missing."""
    for name, indexes in INDEXES.items():
        await database[name].create_indexes(indexes)
