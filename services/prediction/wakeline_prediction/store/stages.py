"""Stages as configured, and what serves them: written by different topics, so kept apart."""

from collections.abc import Iterable

from wakeline_events.base import ProjectId, StageId
from wakeline_prediction.domain.records import Serving, Stage
from wakeline_prediction.store.documents import document_of, record_of
from wakeline_storage import BufferedCollection


class StageStore:
    """The collection ``stages``."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    async def get(self, stage_id: StageId) -> Stage | None:
        """A stage, if its project has it."""
        return (await self.many([stage_id])).get(stage_id)

    async def many(self, stage_ids: Iterable[StageId]) -> dict[StageId, Stage]:
        """Those of these stages that are configured."""
        found = await self._rows.by_ids(stage_ids)
        return {name: record_of(Stage, row) for name, row in found.items()}

    async def of_project(self, project_id: ProjectId) -> dict[StageId, Stage]:
        """All stages of a project."""
        rows = await self._rows.find({"project_id": project_id})
        return {row["_id"]: record_of(Stage, row) for row in rows}

    async def related_to(self, stage_id: StageId) -> list[StageId]:
        """The stages that a stage's model may answer for, beside itself."""
        rows = await self._rows.find({"predictors.stage": stage_id}, {"_id": 1})
        return sorted(row["_id"] for row in rows)

    def put(self, stage: Stage) -> None:
        """Keep a stage as it is now."""
        self._rows.replace({"_id": stage.id}, document_of(stage), upsert=True)

    def remove(self, stage_id: StageId) -> None:
        """Forget a stage that its project has no more."""
        self._rows.delete({"_id": stage_id})


class ServingStore:
    """The collection ``servings``."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    async def get(self, stage_id: StageId) -> Serving:
        """What serves a stage."""
        return (await self.many([stage_id]))[stage_id]

    async def many(self, stage_ids: Iterable[StageId]) -> dict[StageId, Serving]:
        """What serves these stages; epoch 0 where nothing was ever published."""
        wanted = sorted(stage_ids)
        rows = await self._rows.find({"_id": {"$in": wanted}})
        known = {
            row["_id"]: Serving.model_validate({**row, "stage_id": row["_id"]}) for row in rows
        }
        return {stage_id: known.get(stage_id, Serving(stage_id=stage_id)) for stage_id in wanted}

    def put(self, serving: Serving) -> None:
        """Something else serves a stage."""
        document = serving.model_dump(mode="json", exclude={"stage_id"})
        self._rows.replace({"_id": serving.stage_id}, document, upsert=True)
