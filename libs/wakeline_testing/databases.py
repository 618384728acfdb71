"""Databases that one test leaves to the next: to make one costs MongoDB half a second.

A service's database is kept if its collections and indexes are those that migrations make, and set
back to what they left in it. Any other is dropped.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from wakeline_events.base import ServiceName

Database = AsyncDatabase[dict[str, Any]]
Indexes = dict[str, Any]


@dataclass(frozen=True)
class Migrated:
    """What the migrations of a service make."""

    indexes: Indexes
    """By collection."""
    documents: dict[str, list[dict[str, Any]]]
    """Those of the collections that are not empty."""


@dataclass
class Databases:
    """Migrated databases that nobody uses, by service."""

    _free: defaultdict[ServiceName, list[str]] = field(default_factory=lambda: defaultdict(list))
    _migrated: dict[ServiceName, Migrated] = field(default_factory=dict)

    def take(self, service: ServiceName) -> str | None:
        """A free one of a service, which is nobody else's from now on."""
        return self._free[service].pop() if self._free[service] else None

    async def note(self, service: ServiceName, database: Database) -> None:
        """Remember what a database of a service looks like, now that it was migrated."""
        if service not in self._migrated:
            indexes = await _indexes(database)
            found = {name: await database[name].find().to_list() for name in indexes}
            documents = {name: rows for name, rows in found.items() if rows}
            self._migrated[service] = Migrated(indexes, documents)

    async def keep(self, service: ServiceName, used: Database) -> bool:
        """Set a database back for the next test; False: it is not as its migrations made it."""
        migrated = self._migrated.get(service)
        if migrated is None or await _indexes(used) != migrated.indexes:
            return False
        await asyncio.gather(*(used[name].delete_many({}) for name in migrated.indexes))
        for name, rows in migrated.documents.items():
            await used[name].insert_many(rows)
        self._free[service].append(used.name)
        return True


async def _indexes(database: Database) -> Indexes:
    names = await database.list_collection_names()
    found = await asyncio.gather(*(database[name].index_information() for name in names))
    return dict(zip(names, found, strict=True))
