"""Declared uploads in MongoDB."""

from dataclasses import asdict
from typing import Any

from pymongo import DESCENDING

from wakeline_ingest.domain.records import Declared
from wakeline_ingest.domain.uploads import UploadRecord
from wakeline_storage import BufferedCollection


class MongoUploads:
    """`wakeline_ingest.ports.Uploads`."""

    def __init__(self, uploads: BufferedCollection) -> None:
        self._uploads = uploads

    async def get(self, upload_id: str) -> UploadRecord | None:
        """The upload of this name."""
        row = await self._uploads.find_one({"_id": upload_id})
        return _upload(row) if row else None

    async def latest(self, name: str) -> UploadRecord | None:
        """The last upload of the file of this name."""
        of_file = {"_id": {"$gte": name, "$lt": f"{name}~"}}
        row = await self._uploads.find_one(of_file, sort=[("_id", DESCENDING)])
        return _upload(row) if row else None

    def put(self, upload: UploadRecord) -> None:
        """Write an upload down as it is now."""
        document = asdict(upload)
        row_id = document.pop("upload_id")
        self._uploads.replace({"_id": row_id}, {"_id": row_id, **document}, upsert=True)


def _upload(row: dict[str, Any]) -> UploadRecord:
    fields = {name: value for name, value in row.items() if name != "_id"}
    return UploadRecord(upload_id=row["_id"], declared=Declared(**fields.pop("declared")), **fields)
