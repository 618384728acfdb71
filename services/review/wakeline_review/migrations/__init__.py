"""Versioned changes of the review service's database."""

from pymongo import ASCENDING, IndexModel

from wakeline_storage import Migration
from wakeline_storage.migrations import Database


async def _create_indexes(database: Database) -> None:
    await database["reviews"].create_indexes(
        [
            IndexModel([("stage_id", ASCENDING), ("state", ASCENDING), ("opened_at", ASCENDING)]),
            IndexModel([("task_id", ASCENDING)]),
            IndexModel([("project_id", ASCENDING), ("_id", ASCENDING)]),
            IndexModel([("lease.lease_id", ASCENDING)], sparse=True),
        ]
    )


async def _create_standings(database: Database) -> None:
    # A collection that a transaction creates conflicts with every other one that writes to it.
    if "standings" not in await database.list_collection_names():
        await database.create_collection("standings")


async def _create_days(database: Database) -> None:
    there = await database.list_collection_names()
    for name in ("days", "teams"):
        if name not in there:
            await database.create_collection(name)
    await database["days"].create_indexes(
        [
            IndexModel([("project_id", ASCENDING), ("day", ASCENDING)]),
            IndexModel([("project_id", ASCENDING), ("person_id", ASCENDING), ("day", ASCENDING)]),
        ]
    )


async def _name_requests(database: Database) -> None:
    reviews, leased = database["reviews"], {"state": "leased"}
    await reviews.create_indexes(
        [
            # A request that comes twice leases once.
            IndexModel(
                [("request", ASCENDING)],
                name="requests",
                unique=True,
                partialFilterExpression={"request": {"$type": "string"}},
            ),
            IndexModel(
                [("lease.person_id", ASCENDING)], name="held", partialFilterExpression=leased
            ),
        ]
    )
    # Who holds a lease of the release before is still told that it was theirs.
    await reviews.update_many(
        leased | {"reviewers": {"$exists": False}},
        [{"$set": {"reviewers": ["$lease.person_id"]}}],
    )


async def _create_withdrawals(database: Database) -> None:
    if "withdrawals" not in await database.list_collection_names():
        await database.create_collection("withdrawals")
    await database["reviews"].create_indexes(
        [
            IndexModel([("label.asset_id", ASCENDING)], name="of_asset"),
            # Serves the next review without a sort, however many of those before it are withdrawn.
            IndexModel(
                [("stage_id", ASCENDING), ("withdrawn", ASCENDING), ("opened_at", ASCENDING)],
                name="queue",
                partialFilterExpression={"state": "pending"},
            ),
        ]
    )


async def _create_actions(database: Database) -> None:
    if "actions" not in await database.list_collection_names():
        await database.create_collection("actions")
    index = IndexModel([("project_id", ASCENDING), ("_id", ASCENDING)], name="of_project")
    await database["actions"].create_indexes([index])


async def _order_leases(database: Database) -> None:
    index = IndexModel(
        [("stage_id", ASCENDING), ("lease.expires_at", ASCENDING)],
        name="leases",
        partialFilterExpression={"state": "leased"},
    )
    await database["reviews"].create_indexes([index])


MIGRATIONS = (
    Migration(1, "indexes of reviews", _create_indexes),
    Migration(2, "how the people of every stage do", _create_standings),
    Migration(3, "people's days", _create_days),
    Migration(4, "requests and holders of reviews", _name_requests),
    Migration(5, "images that are not to be had", _create_withdrawals),
    Migration(6, "what managers did about reviews", _create_actions),
    Migration(7, "leases of reviews by their end", _order_leases),
)
