"""Images that are not to be had at the moment, one document each while they are not."""

from collections.abc import Sequence

from wakeline_events.base import AssetId, DatasetId
from wakeline_storage import BufferedCollection


class WithdrawalStore:
    """The collection ``withdrawals``. Only ingest's events add to it and take from it."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    def add(self, asset_id: AssetId) -> None:
        """An image is not to be had."""
        self._rows.replace({"_id": asset_id}, {}, upsert=True)

    def remove(self, asset_id: AssetId) -> None:
        """An image is to be had again."""
        self._rows.delete({"_id": asset_id})

    async def of_datasets(self, datasets: Sequence[DatasetId]) -> frozenset[AssetId]:
        """The images of some datasets that are not to be had."""
        found: set[AssetId] = set()
        for dataset in datasets:
            # An asset's id begins with its dataset's, which holds no colon; ";" comes next to it.
            rows = self._rows.each({"_id": {"$gte": f"{dataset}:", "$lt": f"{dataset};"}})
            found.update([row["_id"] async for row in rows])
        return frozenset(found)
