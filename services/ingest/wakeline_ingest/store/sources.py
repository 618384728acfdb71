"""Sources, and what is known of their objects, in MongoDB."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from wakeline_events.base import AssetId, DatasetId
from wakeline_ingest.domain.sources import (
    Known,
    Listed,
    ObjectState,
    Place,
    SourceRecord,
    object_id_of,
)
from wakeline_storage import BufferedCollection


class MongoSources:
    """`wakeline_ingest.ports.Sources`."""

    def __init__(self, sources: BufferedCollection, objects: BufferedCollection) -> None:
        self._sources = sources
        self._objects = objects

    async def get(self, dataset_id: DatasetId, source_id: str) -> SourceRecord | None:
        """The source of this name."""
        row = await self._sources.find_one({"_id": f"{dataset_id}/{source_id}"})
        return _source(row) if row else None

    async def create(self, source: SourceRecord) -> SourceRecord:
        """Write a source down, unless it is there; return what is there."""
        row = await self._sources.find_one_and_update(
            {"_id": source.row_id}, {"$setOnInsert": asdict(source)}, upsert=True
        )
        assert row is not None
        return _source(row)

    async def page(
        self, dataset_id: DatasetId, after: str | None, limit: int
    ) -> list[SourceRecord]:
        """Sources of a dataset by name, behind ``after``."""
        wanted: dict[str, Any] = {"dataset_id": dataset_id}
        if after is not None:
            wanted["source_id"] = {"$gt": after}
        rows = await self._sources.find(wanted, sort=[("source_id", 1)], limit=limit)
        return [_source(row) for row in rows]

    async def begin(self, source: SourceRecord, import_id: str) -> SourceRecord | None:
        """Begin the next sync, unless one is on its way."""
        row = await self._sources.find_one_and_update(
            {"_id": source.row_id, "active": None},
            {"$set": {"active": import_id}, "$inc": {"syncs": 1}},
        )
        return _source(row) if row else None

    def end(self, row_id: str, import_id: str) -> None:
        """Let the next sync begin."""
        self._sources.update({"_id": row_id, "active": import_id}, {"$set": {"active": None}})

    async def known(self, source: SourceRecord, keys: Sequence[str]) -> dict[str, Known]:
        """What is known of these objects."""
        names = [object_id_of(source.row_id, key) for key in keys]
        rows = await self._objects.find({"_id": {"$in": names}})
        return {row["key"]: _known(row) for row in rows}

    async def missed(self, source: SourceRecord, limit: int) -> list[Known]:
        """Objects that the running sync did not meet, though they were there before."""
        rows = await self._objects.find(
            {
                "source": source.row_id,
                "state": {"$in": ["asset", "refused"]},
                "seen": {"$lt": source.syncs},
            },
            limit=limit,
        )
        return [_known(row) for row in rows]

    async def places(self, asset_id: AssetId, limit: int) -> list[Place]:
        """Where the bytes of an asset are, as far as syncs know."""
        rows = await self._objects.find(
            {"asset_id": asset_id, "state": "asset"}, sort=[("_id", 1)], limit=limit
        )
        names = {row["source"] for row in rows}
        sources = await self._sources.find({"_id": {"$in": sorted(names)}}, {"bucket": 1})
        buckets = {source["_id"]: source["bucket"] for source in sources}
        return [
            Place(row["_id"], buckets[row["source"]], row["key"], row["etag"], row["size"])
            for row in rows
        ]

    async def holds(self, place: Place, asset_id: AssetId) -> bool:
        """Whether an asset's bytes are still in this place, as far as syncs know."""
        wanted = {"_id": place.object_id, "etag": place.etag, "state": "asset"}
        return await self._objects.find_one(wanted | {"asset_id": asset_id}) is not None

    def met(self, source: SourceRecord, keys: Sequence[str]) -> None:
        """Note that the running sync met objects that are as they were."""
        names = [object_id_of(source.row_id, key) for key in keys]
        self._objects.update_many({"_id": {"$in": names}}, {"$set": {"seen": source.syncs}})

    def put(
        self, source: SourceRecord, listed: Listed, state: ObjectState, asset_id: AssetId | None
    ) -> None:
        """Write down what an object is now."""
        row_id = object_id_of(source.row_id, listed.key)
        document = {
            **asdict(listed),
            "source": source.row_id,
            "seen": source.syncs,
            "state": state,
            "asset_id": asset_id,
        }
        self._objects.replace({"_id": row_id}, {"_id": row_id, **document}, upsert=True)

    def lost(self, source: SourceRecord, key: str) -> None:
        """Note that an object is there no more."""
        change = {"state": "gone", "seen": source.syncs}
        self._objects.update({"_id": object_id_of(source.row_id, key)}, {"$set": change})


def _source(row: dict[str, Any]) -> SourceRecord:
    return SourceRecord(**{name: value for name, value in row.items() if name != "_id"})


def _known(row: dict[str, Any]) -> Known:
    return Known(**{name: row[name] for name in Known.__dataclass_fields__})
