"""The permanent sides of groups, under one owner document a dataset.

All stages of all projects that use a dataset share its splits. Whoever freezes claims the owner of
every dataset that it decides by, at the revision that it read, so two freezes, or a freeze and a
new benchmark, can't pass by one another unseen.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from wakeline_events.base import DatasetId
from wakeline_storage import BufferedCollection
from wakeline_training.domain.splits import Group, Side

GROUPS_A_ROW = 5_000


class SplitStore:
    """The collections ``datasets`` (owners) and ``splits`` (groups that were decided together)."""

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
        found: dict[Group, Side] = {}
        async for row in self._rows.each({"_id.dataset": {"$in": list(datasets)}}):
            named = row["_id"]
            groups = row["groups"] if "groups" in row else [named["group"]]  # until version 2
            found |= dict.fromkeys((Group(named["dataset"], g) for g in groups), Side(row["side"]))
        return found

    def decide(self, sides: Mapping[Group, Side], run_id: str, dataset_version: str) -> None:
        """Keep sides for ever; a run that decides twice fails the transaction.

        Many groups are one row: a transaction has seconds, and a first freeze a million of them.
        """
        alike: dict[tuple[DatasetId, Side], list[str]] = defaultdict(list)
        for group, side in sorted(sides.items()):
            alike[group.dataset_id, side].append(group.name)
        for (dataset, side), groups in alike.items():
            for first in range(0, len(groups), GROUPS_A_ROW):
                named = {"dataset": dataset, "run": run_id, "first": groups[first]}
                row = {"side": side.value, "groups": groups[first : first + GROUPS_A_ROW]}
                self._rows.insert({"_id": named, **row, "dataset_version": dataset_version})
