"""Images that are not to be had at the moment, one document each while they are not."""

from collections.abc import Iterable

from wakeline_events.base import AssetId
from wakeline_storage import BufferedCollection


class WithdrawalStore:
    """The collection ``withdrawals``. Only ingest's events add to it and take from it."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    async def among(self, asset_ids: Iterable[AssetId]) -> set[AssetId]:
        """Those of the images that are not to be had."""
        rows = await self._rows.find({"_id": {"$in": sorted(set(asset_ids))}}, {"_id": 1})
        return {row["_id"] for row in rows}

    def add(self, asset_id: AssetId) -> None:
        """An image is not to be had."""
        self._rows.update({"_id": asset_id}, {"$setOnInsert": {"targets": []}}, upsert=True)

    def note(self, asset_id: AssetId, target_id: str) -> None:
        """Remember that a target has no answer because its image is not to be had."""
        self._rows.update({"_id": asset_id}, {"$addToSet": {"targets": target_id}})

    async def take(self, asset_id: AssetId) -> list[str]:
        """An image is back: return the targets that have no answer without it."""
        row = await self._rows.find_one({"_id": asset_id})
        self._rows.delete({"_id": asset_id})
        return list(row["targets"]) if row else []
