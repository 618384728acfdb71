"""Databases that one test leaves to the next: to make one costs MongoDB half a second.

A service's database is kept if its collections are those that migrations make, and set back to what
they left in it. Any other is dropped. A test that changes indexes has to make a collection as well.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from wakeline_events.base import ServiceName

Database = AsyncDatabase[dict[str, Any]]
Documents = dict[str, list[dict[str, Any]]]
"""By collection."""


@dataclass
class Databases:
    """Migrated databases that nobody uses, by service."""

    _free: defaultdict[ServiceName, list[str]] = field(default_factory=lambda: defaultdict(list))
    _migrated: dict[ServiceName, Documents] = field(default_factory=dict)
    """What the migrations of each service leave."""

    def take(self, service: ServiceName) -> str | None:
        """A free one of a service, which is nobody else's from now on."""
        return self._free[service].pop() if self._free[service] else None

    async def note(self, service: ServiceName, database: Database) -> None:
        """Remember what a database of a service holds, now that it was migrated."""
        if service not in self._migrated:
            names = await database.list_collection_names()
            self._migrated[service] = {
                name: await database[name].find().to_list() for name in names
            }

    async def keep(self, service: ServiceName, used: Database) -> bool:
        """Set a database back for the next test; False: it is not as its migrations made it."""
        migrated = self._migrated.get(service)
        if not migrated or set(await used.list_collection_names()) != migrated.keys():
            return False
        written = await _not_empty(used, list(migrated))
        await asyncio.gather(*(used[name].delete_many({}) for name in written))
        for name, rows in migrated.items():
            if rows:
                await used[name].insert_many(rows)
        self._free[service].append(used.name)
        return True


async def _not_empty(database: Database, names: list[str]) -> list[str]:
    """Those of the collections that hold a document, asked for in one command."""
    first, *others = names
    unions = [{"$unionWith": {"coll": name, "pipeline": _look(name)}} for name in others]
    rows = await database[first].aggregate(_look(first) + unions)
    return [row["_id"] async for row in rows]


def _look(name: str) -> list[dict[str, Any]]:
    return [{"$limit": 1}, {"$project": {"_id": {"$literal": name}}}]
