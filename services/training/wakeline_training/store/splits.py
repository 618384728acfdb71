"""The permanent sides of groups, under one owner document a dataset.

All stages of all projects that use a dataset share its splits. Whoever freezes claims the owner
at the revision that it read, so two freezes, or a freeze and a new benchmark, can't pass by one
another unseen.
"""

from collections.abc import Mapping, Sequence

from wakeline_events.base import DatasetId
from wakeline_storage import BufferedCollection
from wakeline_training.domain.splits import Group, Side


class SplitStore:
    """The collections ``datasets`` (owners) and ``splits`` (one row a group)."""

    def __init__(self, owners: BufferedCollection, rows: BufferedCollection) -> None:
        self._owners = owners
        self._rows = rows

    def touch(self, dataset_id: DatasetId) -> None:
        """Something came that a freeze in progress must not miss."""
        self._owners.update({"_id": dataset_id}, {"$inc": {"revision": 1}}, upsert=True)

    async def revisions(self, datasets: Sequence[DatasetId]) -> dict[DatasetId, int]:
        """The current revision of each dataset; 0 before the first."""
        rows = await self._owners.find({"_id": {"$in": list(datasets)}})
        return dict.fromkeys(datasets, 0) | {row["_id"]: row["revision"] for row in rows}

    async def claim(self, dataset_id: DatasetId, revision: int) -> bool:
        """Take a dataset for a freeze, if nothing came since that revision."""
        before = await self.revisions([dataset_id])
        if before[dataset_id] != revision:
            return False
        self._owners.update(
            {"_id": dataset_id}, {"$inc": {"revision": 1}, "$set": {"frozen": True}}, upsert=True
        )
        return True

    async def frozen(self, datasets: Sequence[DatasetId]) -> frozenset[DatasetId]:
        """Which of these datasets were frozen before."""
        rows = await self._owners.find({"_id": {"$in": list(datasets)}, "frozen": True})
        return frozenset(row["_id"] for row in rows)

    async def decided(self, datasets: Sequence[DatasetId]) -> dict[Group, Side]:
        """The sides of all groups that were ever decided."""
        rows = await self._rows.find({"_id.dataset": {"$in": list(datasets)}})
        return {
            Group(row["_id"]["dataset"], row["_id"]["group"]): Side(row["side"]) for row in rows
        }

    def decide(self, sides: Mapping[Group, Side], dataset_version: str) -> None:
        """Keep sides for ever; deciding a group twice fails the transaction."""
        for group, side in sorted(sides.items()):
            self._rows.insert(
                {
                    "_id": {"dataset": group.dataset_id, "group": group.name},
                    "side": side.value,
                    "dataset_version": dataset_version,
                }
            )
