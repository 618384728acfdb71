"""Versioned changes of a service's database: applied in order, once, never on a newer one.

One migrator works at a time; another one waits, and finds nothing left to do. Processes of the
release before may run meanwhile, so a migration only adds: what they could not live with is
taken away by a later release.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import structlog
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, PyMongoError

Database = AsyncDatabase[dict[str, Any]]
log = structlog.get_logger()

LEASE = timedelta(seconds=15)
"""So long after the last sign of life of a migrator another one takes its place."""


class DatabaseIsNewerError(Exception):
    """The database was migrated by a newer release."""

    code = "database-is-newer"


@dataclass(frozen=True)
class Migration:
    """One step: must be harmless when it runs twice, for a kill may fall after it."""

    version: int
    name: str
    apply: Callable[[Database], Awaitable[None]]


async def version_of(database: Database) -> int:
    """The version the database stands at; 0 when it is empty."""
    row = await database["migrations"].find_one(sort=[("_id", -1)])
    return int(row["_id"]) if row else 0


async def migrate(
    database: Database,
    migrations: Sequence[Migration],
    first: Callable[[Database], Awaitable[None]] | None = None,
) -> list[str]:
    """Apply what is missing, in order, and return the names of the steps taken.

    ``first`` is what every release makes sure of before its own steps.

    Raises
    ------
    DatabaseIsNewerError
        If the database stands at a version that this release does not know.
    """
    async with _alone(database):
        return await _apply(database, migrations, first)


async def _apply(
    database: Database,
    migrations: Sequence[Migration],
    first: Callable[[Database], Awaitable[None]] | None,
) -> list[str]:
    current = await version_of(database)
    newest = max((m.version for m in migrations), default=0)
    if current > newest:
        raise DatabaseIsNewerError(
            f"database {database.name} is at version {current}, this release knows {newest}: "
            "install the release that wrote it, or restore a backup"
        )
    if first is not None:
        await first(database)
    taken = []
    for migration in sorted(migrations, key=lambda m: m.version):
        if migration.version > current:
            await migration.apply(database)
            await database["migrations"].update_one(
                {"_id": migration.version}, {"$set": {"name": migration.name}}, upsert=True
            )
            taken.append(migration.name)
    return taken


@asynccontextmanager
async def _alone(database: Database) -> AsyncIterator[None]:
    """Hold the database's one place for a migrator, by the database's clock."""
    owner, rows = uuid4().hex, database["migrating"]
    until = {"$add": ["$$NOW", int(LEASE.total_seconds() * 1000)]}
    free = {"_id": "migrator", "$expr": {"$lte": ["$until", "$$NOW"]}}
    with suppress(DuplicateKeyError):
        await rows.insert_one({"_id": "migrator", "owner": None, "until": datetime(1970, 1, 1)})
    while True:
        taken = await rows.update_one(free, [{"$set": {"owner": owner, "until": until}}])
        if taken.matched_count:
            break
        log.info("another migrator is at work", database=database.name)
        await asyncio.sleep(0.3)

    async def beat() -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 4)
            with suppress(PyMongoError):
                await rows.update_one({"owner": owner}, [{"$set": {"until": until}}])

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        await rows.update_one({"owner": owner}, [{"$set": {"owner": None, "until": "$$NOW"}}])
