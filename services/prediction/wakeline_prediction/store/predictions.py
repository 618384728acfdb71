"""All that was ever predicted: a prediction is written once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from wakeline_events.base import AssetId, TaskId
from wakeline_prediction.domain.records import Prediction
from wakeline_prediction.store.documents import blobs_among, document_of, record_of
from wakeline_storage import BufferedCollection


class PredictionStore:
    """The collection ``predictions``."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    def put(self, prediction: Prediction) -> None:
        """Keep a prediction; an equal one of the same epoch is the same."""
        document = document_of(prediction) | {"at": prediction.at}
        self._rows.update({"_id": prediction.id}, {"$setOnInsert": document}, upsert=True)

    async def page(
        self,
        *,
        task_id: TaskId | None,
        asset_id: AssetId | None,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Prediction]:
        """Predictions of a task or an asset, the newest first."""
        wanted: dict[str, Any] = {}
        if task_id is not None:
            wanted["task_id"] = task_id
        if asset_id is not None:
            wanted["asset_id"] = asset_id
        if after is not None:
            at, name = after
            wanted["$or"] = [{"at": {"$lt": at}}, {"at": at, "_id": {"$lt": name}}]
        rows = await self._rows.find(wanted, sort=[("at", -1), ("_id", -1)], limit=limit)
        return [record_of(Prediction, row) for row in rows]

    async def blobs_among(self, keys: Sequence[str]) -> set[str]:
        """Those of these blobs that hold a prediction's shapes."""
        return await blobs_among(self._rows, keys)
