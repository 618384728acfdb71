"""Runs, models and dataset versions: plain documents, read one by one or newest first."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from wakeline_storage import BufferedCollection, Document
from wakeline_training.domain.models import DatasetVersion, ModelVersion
from wakeline_training.domain.run import Run

M = TypeVar("M", bound=BaseModel)


class RecordStore(Generic[M]):
    """A collection whose documents are a model's fields, named by one of them."""

    def __init__(self, rows: BufferedCollection, model: type[M], name: str) -> None:
        self._rows = rows
        self._model = model
        self._name = name

    async def get(self, name: str) -> M | None:
        """The record of this name, or None."""
        row = await self._rows.find_one({"_id": name})
        return self._model.model_validate(row) if row else None

    def put(self, record: M) -> None:
        """Create or replace a record."""
        row = self._document(record)
        self._rows.replace({"_id": row["_id"]}, row, upsert=True)

    async def page(self, filter: Mapping[str, Any], after: Any, limit: int) -> list[M]:
        """Records that fit, newest first, after a position ``(created_at, name)``."""
        if after is not None:
            created_at, name = after
            earlier = {"created_at": created_at, "_id": {"$lt": name}}
            filter = {**filter, "$or": [{"created_at": {"$lt": created_at}}, earlier]}
        rows = await self._rows.find(filter, sort=[("created_at", -1), ("_id", -1)], limit=limit)
        return [self._model.model_validate(row) for row in rows]

    def _document(self, record: M) -> Document:
        fields = record.model_dump()
        return {"_id": fields[self._name], **fields}


class RunStore(RecordStore[Run]):
    """The collection ``runs``; a unique index holds at most one active run a stage."""

    def __init__(self, rows: BufferedCollection) -> None:
        super().__init__(rows, Run, "run_id")

    def _document(self, record: Run) -> Document:
        return {**super()._document(record), "active": record.active}


class ModelStore(RecordStore[ModelVersion]):
    """The collection ``models``."""

    def __init__(self, rows: BufferedCollection) -> None:
        super().__init__(rows, ModelVersion, "model_version")


class DatasetVersionStore(RecordStore[DatasetVersion]):
    """The collection ``dataset_versions``."""

    def __init__(self, rows: BufferedCollection) -> None:
        super().__init__(rows, DatasetVersion, "dataset_version")
