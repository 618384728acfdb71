"""The permanent sides of groups, under one owner document a dataset.

All stages of all projects that use a dataset share its splits. Whoever freezes claims the owner of
every dataset that it decides by, at the revision that it read, so two freezes, or a freeze and a
new benchmark, can't pass by one another unseen.
"""

from collections.abc import Collection, Mapping, Sequence

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

    async def revisions(
        self, datasets: Collection[DatasetId], involved: Collection[DatasetId]
    ) -> dict[DatasetId, int]:
        """How often freezes decided by each dataset that is involved in one of ``datasets``.

        Of the latter it counts what came as well. What comes to others may be a moment late: an
        import into somebody else's dataset holds up nobody.
        """
        rows = await self._owners.by_ids(involved)
        found = dict.fromkeys(involved, 0)
        for name, row in rows.items():
            found[name] = row.get("revision" if name in datasets else "freezes", 0)
        return found

    def claim(self, datasets: Collection[DatasetId], involved: Collection[DatasetId]) -> None:
        """Say that a freeze of ``datasets`` decides by all that are involved.

        Two that have one of these in common cannot both commit: each would miss the other's word.
        """
        for name in sorted(involved):
            frozen = {"$set": {"frozen": True}} if name in datasets else {}
            more = {"$inc": {"revision": 1, "freezes": 1}, **frozen}
            self._owners.update({"_id": name}, more, upsert=True)

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
