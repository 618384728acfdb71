"""Assets, their previews and their fingerprints in MongoDB."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from wakeline_events.base import AssetId, DatasetId
from wakeline_ingest.domain.records import (
    AssetRecord,
    AssetState,
    Presence,
    asset_id_of,
    reference_key,
)
from wakeline_ingest.ports import Filed, Preview
from wakeline_ingest.store import documents
from wakeline_storage import BufferedCollection

MOST_CALLED = 1_000
"""Assets too many that are read to find out that a name is ambiguous."""


class MongoAssets:
    """`wakeline_ingest.ports.Assets`."""

    def __init__(
        self,
        assets: BufferedCollection,
        previews: BufferedCollection,
        fingerprints: BufferedCollection,
    ) -> None:
        self._assets = assets
        self._previews = previews
        self._fingerprints = fingerprints

    async def get(self, asset_id: AssetId) -> AssetRecord | None:
        """The asset of this name."""
        row = await self._assets.find_one({"_id": asset_id})
        return documents.asset_from(row) if row else None

    async def several(self, asset_ids: Iterable[AssetId]) -> dict[AssetId, AssetRecord]:
        """Those of the assets that are there."""
        rows = await self._assets.find({"_id": {"$in": list(asset_ids)}})
        return {row["_id"]: documents.asset_from(row) for row in rows}

    async def called(self, dataset_id: DatasetId, file_names: Collection[str]) -> list[AssetRecord]:
        """The assets of these names; of a name that very many have not all."""
        if not file_names:
            return []
        wanted = {"dataset_id": dataset_id, "declared.file_name": {"$in": list(file_names)}}
        rows = await self._assets.find(wanted, limit=MOST_CALLED + len(file_names))
        return [documents.asset_from(row) for row in rows]

    def describe(self, asset: AssetRecord) -> None:
        """Write down what is said of an asset now."""
        document = documents.of_asset(asset)
        said = {name: document[name] for name in ("declared", "tags")}
        self._assets.update({"_id": asset.asset_id}, {"$set": said})

    async def known(self, dataset_id: DatasetId, digests: Sequence[str]) -> list[str]:
        """Those of the digests whose images are here, and not by reference."""
        names = [asset_id_of(dataset_id, digest) for digest in digests]
        rows = await self._assets.find({"_id": {"$in": names}}, {"digest": 1, "image": 1})
        found = [(row["digest"], row["image"]) for row in rows]
        return sorted(d for d, image in found if image != reference_key(dataset_id, d))

    async def page(
        self,
        dataset_id: DatasetId,
        state: AssetState | None,
        digest: str | None,
        presence: Presence | None,
        group: str | None,
        tags: Sequence[Sequence[str]],
        after: AssetId | None,
        limit: int,
    ) -> list[AssetRecord]:
        """Assets in the order of their names, behind ``after``."""
        wanted: dict[str, Any] = {"dataset_id": dataset_id}
        if state is not None:
            wanted["state"] = state
        if digest is not None:
            wanted["digest"] = digest
        if presence in ("gone", "superseded"):
            wanted |= {"presence": presence, "absent_since": {"$type": "date"}}
        elif presence == "here":
            wanted["presence"] = {"$nin": ["gone", "superseded"]}
        if group is not None:
            wanted["group"] = group
        if tags:
            wanted["$and"] = [{"tags": {"$in": list(either)}} for either in tags]
        if after is not None:
            wanted["_id"] = {"$gt": after}
        rows = await self._assets.find(wanted, sort=[("_id", 1)], limit=limit)
        return [documents.asset_from(row) for row in rows]

    async def ingested(
        self, asset_id: AssetId | None, after: str, limit: int, *, absent: bool = False
    ) -> list[AssetRecord]:
        """Assets of all datasets that are in their group, or one of them, behind ``after``."""
        wanted: dict[str, Any] = {"_id": {"$gt": after}, "state": "ingested"}
        if absent:
            wanted |= {"presence": {"$in": ["gone", "superseded"]}}
        if asset_id is not None:
            wanted["_id"]["$eq"] = asset_id
        rows = await self._assets.find(wanted, sort=[("_id", 1)], limit=limit)
        return [documents.asset_from(row) for row in rows]

    def add(self, asset: AssetRecord, preview: Preview) -> None:
        """Write a new asset down."""
        self._assets.insert(documents.of_asset(asset))
        self._previews.insert(documents.of_preview(preview))

    async def preview(self, asset_id: AssetId) -> Preview | None:
        """What there is of an asset before it is in its group; None from then on."""
        row = await self._previews.find_one({"_id": asset_id})
        return documents.preview_from(row) if row else None

    def place(self, asset_id: AssetId, filed: Filed, neighbours: Sequence[AssetId]) -> None:
        """Put an asset into its group, for good; others can be found to be its copies now."""
        placed = {"state": "ingested", "group": filed.group, "neighbours": list(neighbours)}
        self._assets.update({"_id": asset_id}, {"$set": placed})
        # Assets that came before there were previews have their fingerprints already.
        self._fingerprints.replace({"_id": asset_id}, documents.of_filed(filed), upsert=True)
        self._previews.delete({"_id": asset_id})

    def put_presence(self, asset: AssetRecord) -> None:
        """Note whether an asset's bytes are to be had, and where; always changes its document."""
        names = ("image", "presence", "absent_since", "superseded_by")
        change = {name: getattr(asset, name) for name in names}
        self._assets.update({"_id": asset.asset_id}, {"$set": change, "$inc": {"stays": 1}})
