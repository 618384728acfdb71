"""Previews: what there is of an image until its asset is in a group."""

from typing import Any

from pymongo.asynchronous.database import AsyncDatabase


async def apply(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Create the collection, for one that is made inside a transaction would conflict.

    Assets that wait for their group have fingerprints and thumbnails already: they need none.
    """
    if "previews" not in await database.list_collection_names():
        await database.create_collection("previews")
