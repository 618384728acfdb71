"""Stages: one document each, written once a transaction however many labels it counted."""

from wakeline_events.base import ProjectId, StageId
from wakeline_storage import BufferedCollection, Document
from wakeline_training.domain.stage import Stage


class StageStore:
    """The collection ``stages``."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows
        self._loaded: dict[StageId, Stage | None] = {}
        self._changed: set[StageId] = set()

    async def get(self, stage_id: StageId) -> Stage | None:
        """A stage as this transaction sees it."""
        if stage_id not in self._loaded:
            row = await self._rows.find_one({"_id": stage_id})
            self._loaded[stage_id] = Stage.model_validate(row) if row else None
        return self._loaded[stage_id]

    async def of_project(self, project_id: ProjectId) -> list[Stage]:
        """All stages that a project ever had."""
        self.flush()
        rows = await self._rows.find({"project_id": project_id}, sort=[("_id", 1)])
        stages = [Stage.model_validate(row) for row in rows]
        self._loaded.update({stage.stage_id: stage for stage in stages})
        return stages

    async def served(self, stage_id: StageId | None, after: str, limit: int) -> list[Stage]:
        """Stages that a model serves, or one of them, by their id behind ``after``."""
        self.flush()
        wanted: Document = {"_id": {"$gt": after}, "serving": {"$ne": None}}
        if stage_id is not None:
            wanted["_id"]["$eq"] = stage_id
        rows = await self._rows.find(wanted, sort=[("_id", 1)], limit=limit)
        return [Stage.model_validate(row) for row in rows]

    def put(self, stage: Stage) -> None:
        """Keep a stage; written at the end of the transaction."""
        self._loaded[stage.stage_id] = stage
        self._changed.add(stage.stage_id)

    def flush(self) -> None:
        """Hand what changed to the transaction."""
        for stage_id in sorted(self._changed):
            stage = self._loaded[stage_id]
            assert stage is not None
            self._rows.replace({"_id": stage_id}, stage.model_dump(mode="json"), upsert=True)
        self._changed.clear()
