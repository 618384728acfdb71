"""The content of uploads, named by it."""

from collections.abc import Iterable

from wakeline_prediction.domain.records import Parcel, UploadedShapes
from wakeline_prediction.store.documents import record_of
from wakeline_storage import BufferedCollection


class UploadStore:
    """The collection ``uploads``."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

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
