"""The content of uploads, named by it."""

from collections.abc import Iterable

from wakeline_prediction.domain.records import Upload, UploadedShapes
from wakeline_prediction.store.documents import document_of, record_of
from wakeline_storage import BufferedCollection


class UploadStore:
    """The collection ``uploads``."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    async def many(self, upload_ids: Iterable[str]) -> dict[str, UploadedShapes]:
        """Those of these uploads that are known, by id."""
        rows = await self._rows.find({"_id": {"$in": sorted(upload_ids)}})
        return {row["_id"]: record_of(UploadedShapes, row) for row in rows}

    def put(self, uploaded: UploadedShapes) -> Upload:
        """Keep an upload and return how its target names it."""
        self._rows.replace({"_id": uploaded.id}, document_of(uploaded), upsert=True)
        return Upload(id=uploaded.id, predictor=uploaded.predictor, version=uploaded.version)
