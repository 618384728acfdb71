"""A team's living leases of a stage, which its limit is compared with."""

from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase


async def apply(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create what is missing."""
    of_team = IndexModel(
        [("stage_id", ASCENDING), ("lease.team_id", ASCENDING)],
        name="leases_of_team",
        partialFilterExpression={"state": "leased"},
    )
    await database["slots"].create_indexes([of_team])
