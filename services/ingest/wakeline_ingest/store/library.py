"""Looking up fingerprints by their keys in MongoDB."""

from collections.abc import Iterable

from wakeline_events.base import AssetId, DatasetId
from wakeline_ingest.domain.records import AssetRecord
from wakeline_ingest.ports import Filed, Preview
from wakeline_ingest.store import documents
from wakeline_storage import BufferedCollection


class MongoLibrary:
    """`wakeline_ingest.ports.Library`."""

    def __init__(
        self,
        datasets: BufferedCollection,
        assets: BufferedCollection,
        previews: BufferedCollection,
        fingerprints: BufferedCollection,
    ) -> None:
        self._datasets = datasets
        self._assets = assets
        self._previews = previews
        self._fingerprints = fingerprints

    async def turn(self, dataset_id: DatasetId) -> int:
        """The turn of placing assets that the dataset is in."""
        row = await self._datasets.find_one({"_id": dataset_id}, {"turn": 1})
        assert row is not None  # nothing ever leaves, and an asset has its dataset
        return int(row["turn"])

    async def assets(self, asset_ids: Iterable[AssetId]) -> list[AssetRecord]:
        """The assets of these names that are there."""
        rows = await self._assets.find({"_id": {"$in": list(asset_ids)}})
        return [documents.asset_from(row) for row in rows]

    async def previews(self, asset_ids: Iterable[AssetId]) -> list[Preview]:
        """The previews that are kept of these assets."""
        rows = await self._previews.find({"_id": {"$in": list(asset_ids)}})
        return [documents.preview_from(row) for row in rows]

    async def fingerprints(self, asset_ids: Iterable[AssetId]) -> dict[AssetId, Filed]:
        """The fingerprints of these assets."""
        rows = await self._fingerprints.find({"_id": {"$in": list(asset_ids)}})
        return {row["_id"]: documents.filed_from(row) for row in rows}

    async def sharing(self, fingerprint: Filed) -> dict[AssetId, frozenset[int]]:
        """What is filed in the dataset under some of these keys, and under which."""
        keys = list(fingerprint.keys)
        rows = await self._fingerprints.aggregate(
            [
                {
                    "$match": {
                        "dataset_id": fingerprint.dataset_id,
                        "keys": {"$in": keys},
                        "group": {"$ne": None},
                    }
                },
                {"$project": {"shared": {"$setIntersection": ["$keys", keys]}}},
            ]
        )
        return {row["_id"]: frozenset(row["shared"]) for row in rows}
