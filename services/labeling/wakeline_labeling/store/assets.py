"""The images that can be labeled, and the groups they fall into."""

from collections.abc import Collection

from wakeline_events.base import Asset
from wakeline_labeling.domain import holdout
from wakeline_storage import BufferedCollection, Document


class MongoAssets:
    """The collections ``assets`` and ``groups``."""

    def __init__(self, assets: BufferedCollection, groups: BufferedCollection) -> None:
        self._assets = assets
        self._groups = groups

    async def get(self, asset_ids: Collection[str]) -> dict[str, Asset]:
        rows = await self._assets.find({"_id": {"$in": sorted(asset_ids)}})
        return {row["_id"]: _asset(row) for row in rows}

    async def count(self, dataset_ids: Collection[str], limit: int) -> int:
        if limit == 0:
            return 0
        return await self._assets.count({"dataset_id": {"$in": sorted(dataset_ids)}}, limit=limit)

    async def page(self, dataset_id: str, after: str, limit: int) -> list[Asset]:
        rows = await self._assets.find(
            {"dataset_id": dataset_id, "_id": {"$gt": after}}, sort=[("_id", 1)], limit=limit
        )
        return [_asset(row) for row in rows]

    async def unopened(self, project_id: str, limit: int) -> list[Asset]:
        rows = await self._assets.find({"unopened": project_id}, limit=limit)
        return [_asset(row) for row in rows]

    async def lowest_groups(self, dataset_id: str, count: int) -> tuple[str, ...]:
        rows = await self._groups.find(
            {"dataset_id": dataset_id}, sort=[("rank", 1), ("_id", 1)], limit=count
        )
        return tuple(row["group"] for row in rows)

    def add(self, asset: Asset, unopened: Collection[str]) -> None:
        self._assets.update(
            {"_id": asset.asset_id},
            {
                "$setOnInsert": {
                    "dataset_id": asset.dataset_id,
                    "facts": asset.model_dump(),
                    "unopened": sorted(unopened),
                }
            },
            upsert=True,
        )
        self._groups.update(
            {"_id": f"{asset.dataset_id}|{asset.group}"},
            {
                "$setOnInsert": {
                    "dataset_id": asset.dataset_id,
                    "group": asset.group,
                    "rank": holdout.rank(asset.dataset_id, asset.group),
                }
            },
            upsert=True,
        )

    def opened(self, project_id: str, asset_ids: Collection[str]) -> None:
        self._assets.update_many(
            {"_id": {"$in": sorted(asset_ids)}}, {"$pull": {"unopened": project_id}}
        )

    def put_withdrawn(self, asset_id: str, *, withdrawn: bool) -> None:
        self._assets.update({"_id": asset_id}, {"$set": {"withdrawn": withdrawn}})

    async def withdrawn(self, asset_ids: Collection[str]) -> list[str]:
        these = {"_id": {"$in": sorted(asset_ids)}}
        self._assets.update_many(these, {"$inc": {"looks": 1}})
        rows = await self._assets.find({**these, "withdrawn": True}, {"_id": 1})
        return [row["_id"] for row in rows]


def _asset(row: Document) -> Asset:
    return Asset.model_validate(row["facts"])
