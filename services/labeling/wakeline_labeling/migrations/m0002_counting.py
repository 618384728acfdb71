"""A queue is counted, and its draws are read, from an index alone, however long it is."""

from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

INDEX_NOT_FOUND = 27

QUEUE_DRAWS = IndexModel(
    # With the state among the keys, though all in it are queued: MongoDB would otherwise read every
    # document to make sure of that.
    [("queue", ASCENDING), ("state", ASCENDING), ("draw", ASCENDING)],
    name="queue_draws",
    partialFilterExpression={"state": "queued"},
)


async def apply(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Put the new index in the place of the old one."""
    slots = database["slots"]
    await slots.create_indexes([QUEUE_DRAWS])
    try:
        await slots.drop_index("queue_strata")
    except OperationFailure as error:
        if error.code != INDEX_NOT_FOUND:
            raise
