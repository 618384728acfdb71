"""Versioned changes of a service's database: applied in order, once, never on a newer one."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

Database = AsyncDatabase[dict[str, Any]]


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


async def migrate(database: Database, migrations: Sequence[Migration]) -> list[str]:
    """Apply what is missing, in order, and return the names of the steps taken.

    Raises
    ------
    DatabaseIsNewerError
        If the database stands at a version that this release does not know.
    """
    current = await version_of(database)
    newest = max((m.version for m in migrations), default=0)
    if current > newest:
        raise DatabaseIsNewerError(
            f"database {database.name} is at version {current}, this release knows {newest}: "
            "install the release that wrote it, or restore a backup"
        )
    taken = []
    for migration in sorted(migrations, key=lambda m: m.version):
        if migration.version > current:
            await migration.apply(database)
            await database["migrations"].update_one(
                {"_id": migration.version}, {"$set": {"name": migration.name}}, upsert=True
            )
            taken.append(migration.name)
    return taken
