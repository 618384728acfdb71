"""The content of uploads, named by it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from wakeline_prediction.domain.records import Parcel, Replaced, UploadedShapes
from wakeline_prediction.store.documents import blobs_among, record_of
from wakeline_storage import BufferedCollection


class UploadStore:
    """The collection ``uploads``."""

    def __init__(self, rows: BufferedCollection, now: datetime) -> None:
        self._rows = rows
        self._now = now

    async def many(self, upload_ids: Iterable[str]) -> dict[str, UploadedShapes]:
        """Those of these uploads that are known, by id."""
        rows = await self._rows.find({"_id": {"$in": sorted(upload_ids)}})
        return {row["_id"]: record_of(UploadedShapes, row) for row in rows}

    async def existing(self, upload_ids: Iterable[str]) -> set[str]:
        """Which of these uploads are known."""
        return await self._rows.existing(upload_ids)

    def add(self, parcel: Parcel) -> None:
        """Keep an upload that is not known yet."""
        upload = parcel.upload
        self._rows.insert(
            {
                "_id": upload.id,
                "stage_id": parcel.stage_id,
                "asset_id": parcel.asset_id,
                "predictor": upload.predictor,
                "version": upload.version,
                "shapes": parcel.shapes,
                "uncertainty": parcel.uncertainty,
            }
        )

    def replace(self, upload_id: str) -> None:
        """Note that another upload stands in its place: it is collected one day."""
        self._rows.update({"_id": upload_id}, {"$set": {"replaced_at": self._now}})

    def keep(self, upload_id: str) -> None:
        """Note that it stands again. Who collects it at the same moment conflicts with this."""
        self._rows.update({"_id": upload_id}, {"$unset": {"replaced_at": ""}})

    async def replaced(self, before: datetime, limit: int) -> list[Replaced]:
        """Uploads that were replaced before a time, the first ones first."""
        wanted, fields = {"replaced_at": {"$lt": before}}, {"stage_id": 1, "asset_id": 1}
        rows = await self._rows.find(wanted, fields, sort=[("replaced_at", 1)], limit=limit)
        return [Replaced(row["_id"], row["stage_id"], row["asset_id"]) for row in rows]

    def remove(self, upload_id: str) -> None:
        """Forget an upload."""
        self._rows.delete({"_id": upload_id})

    async def blobs_among(self, keys: Sequence[str]) -> set[str]:
        """Those of these blobs that hold an upload's shapes."""
        return await blobs_among(self._rows, keys)
