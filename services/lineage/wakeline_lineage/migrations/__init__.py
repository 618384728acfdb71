"""Versioned changes of the lineage service's database."""

from datetime import UTC, datetime

from pymongo import ASCENDING, IndexModel

from wakeline_lineage.usecases.notifying import RESEAL
from wakeline_messaging import Scope, UnitOfWork
from wakeline_storage import Migration
from wakeline_storage.migrations import Database


async def _create_indexes(database: Database) -> None:
    await database["history"].create_indexes(
        [
            IndexModel([("position", ASCENDING)], unique=True),
            IndexModel([("nodes", ASCENDING), ("position", ASCENDING)]),
            IndexModel([("type", ASCENDING), ("position", ASCENDING)]),
            IndexModel([("time", ASCENDING), ("position", ASCENDING)]),
            # Holds all that the look for gaps needs.
            IndexModel(
                [
                    ("key", ASCENDING),
                    ("position", ASCENDING),
                    ("service", ASCENDING),
                    ("sequence", ASCENDING),
                ]
            ),
        ]
    )
    await database["nodes"].create_indexes([IndexModel([("names", ASCENDING)])])
    await database["edges"].create_indexes(
        [
            IndexModel([("source", ASCENDING), ("target", ASCENDING)]),
            IndexModel([("target", ASCENDING), ("source", ASCENDING)]),
        ]
    )
    await database["members"].create_indexes(
        [IndexModel([("versions", ASCENDING), ("_id", ASCENDING)])]
    )
    # Written first by a transaction, which conflicts where it has to create the collection.
    if "counters" not in await database.list_collection_names():
        await database.create_collection("counters")


async def _create_webhooks(database: Database) -> None:
    if "webhooks" not in await database.list_collection_names():
        await database.create_collection("webhooks")


async def _ask_for_seals(database: Database) -> None:
    """Leave the sealing to a runner: it has the keys, and whoever migrates may not."""
    if await database["webhooks"].find_one({"secret": {"$regex": "^whsec_"}}) is None:
        return
    uow: UnitOfWork[None] = UnitOfWork(Scope("lineage", database, None, datetime.now(UTC)), None)
    uow.enqueue(RESEAL, "all", {})
    await uow.write()


MIGRATIONS = (
    Migration(1, "history and graph", _create_indexes),
    Migration(2, "webhooks", _create_webhooks),
    Migration(3, "sealed secrets of webhooks", _ask_for_seals),
)
