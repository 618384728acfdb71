"""Exams, one a stage and person."""

from typing import Any

from pymongo import ASCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase


async def apply(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create what is missing."""
    if "exams" not in await database.list_collection_names():
        await database.create_collection("exams")
    of_stage = IndexModel([("stage_id", ASCENDING), ("person_id", ASCENDING)], name="of_stage")
    await database["exams"].create_indexes([of_stage])
