"""Images that are not to be had."""

from typing import Any

from pymongo.asynchronous.database import AsyncDatabase


async def apply(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create the collection, which a transaction may write to first; harmless when it is there."""
    if "withdrawals" not in await database.list_collection_names():
        await database.create_collection("withdrawals")
