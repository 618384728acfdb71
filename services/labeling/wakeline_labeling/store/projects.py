"""Projects, their versions, and what changes about their stages."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from wakeline_labeling.domain.records import Project, StageState
from wakeline_labeling.domain.teams import Colleague
from wakeline_labeling.store.documents import document_of, maybe, records_of
from wakeline_storage import BufferedCollection

FRESH_SECONDS = 1.0
"""So long a process may go on with a project as it read it last."""


class ProjectCache:
    """Projects as this process read them last; a document may hold a thousand classes."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[float, Project]] = {}

    def get(self, project_id: str) -> Project | None:
        """The project, if it was read a moment ago."""
        read_at, project = self._held.get(project_id, (0.0, None))
        return project if time.monotonic() - read_at < FRESH_SECONDS else None

    def put(self, project: Project) -> None:
        """Remember a project that was read just now."""
        self._held[project.id] = (time.monotonic(), project)

    def forget(self, project_id: str) -> None:
        """Read it again next time."""
        self._held.pop(project_id, None)


class MongoProjects:
    """The collections ``projects``, ``project_versions``, ``stages`` and ``datasets``."""

    def __init__(
        self,
        collection: Callable[[str], BufferedCollection],
        cache: ProjectCache,
        now: datetime,
    ) -> None:
        self._collection = collection
        self._cache = cache
        self._now = now
        self._of_dataset: dict[str, list[str]] = {}

    async def get(self, project_id: str) -> Project | None:
        return maybe(Project, await self._collection("projects").find_one({"_id": project_id}))

    async def held(self, project_id: str) -> Project | None:
        # The write makes this transaction and one that changes the project conflict: else two
        # that become related to one another at the same moment would each see no circle.
        rows, named = self._collection("projects"), {"_id": project_id}
        held = {"$set": {"held_at": self._now}}
        return maybe(Project, await rows.find_one_and_update(named, held))

    async def related_to(self, stage_id: str) -> list[str]:
        elsewhere = {"_id": {"$ne": stage_id.partition("/")[0]}}
        related = elsewhere | {"document.stages.predictors.stage": stage_id}
        rows = await self._collection("projects").find(related, sort=[("_id", 1)])
        return [
            f"{project.id}/{stage.name}"
            for project in records_of(Project, rows)
            for stage in project.document.stages
            if any(choice.stage == stage_id for choice in stage.predictors)
        ]

    async def cached(self, project_id: str) -> Project | None:
        project = self._cache.get(project_id) or await self.get(project_id)
        if project is not None and self._cache.get(project_id) is None:
            self._cache.put(project)
        return project

    async def page(self, after: str, limit: int, whose: Colleague | None = None) -> list[Project]:
        wanted: dict[str, Any] = {"_id": {"$gt": after}}
        if whose is not None:
            wanted["document.stages"] = {"$elemMatch": {"$or": _work_of(whose)}}
        rows = await self._collection("projects").find(wanted, sort=[("_id", 1)], limit=limit)
        return records_of(Project, rows)

    async def of_dataset(self, dataset_id: str) -> list[str]:
        if dataset_id not in self._of_dataset:
            # The write makes this transaction and one that adds a project to the dataset conflict:
            # else a project could miss an asset that comes at the same moment.
            row = await self._collection("datasets").find_one_and_update(
                {"_id": dataset_id}, {"$set": {"read_at": self._now}}, upsert=True
            )
            self._of_dataset[dataset_id] = list((row or {}).get("projects", ()))
        return self._of_dataset[dataset_id]

    async def versions(self, project_id: str) -> list[Mapping[str, Any]]:
        return [
            *await self._collection("project_versions").find(
                {"project_id": project_id}, sort=[("version", -1)]
            )
        ]

    async def page_of_stages(self) -> list[StageState]:
        return records_of(StageState, await self._collection("stages").find({}, sort=[("_id", 1)]))

    async def stage_state(self, stage_id: str) -> StageState | None:
        return maybe(StageState, await self._collection("stages").find_one({"_id": stage_id}))

    def put(self, project: Project, *, by: str, at: datetime) -> None:
        document = document_of(project)
        document["document"] = project.document.model_dump(mode="json")
        self._collection("projects").replace({"_id": project.id}, document, upsert=True)
        self._collection("project_versions").insert(
            {
                "_id": f"{project.id}:{project.version}",
                "project_id": project.id,
                "version": project.version,
                "document": document["document"],
                "by": by,
                "at": at,
            }
        )
        for dataset in project.document.datasets:
            self._collection("datasets").update(
                {"_id": dataset}, {"$addToSet": {"projects": project.id}}, upsert=True
            )
        self._collection("datasets").update_many(
            {"projects": project.id, "_id": {"$nin": list(project.document.datasets)}},
            {"$pull": {"projects": project.id}},
        )
        self._cache.forget(project.id)

    def put_stage(self, state: StageState) -> None:
        document = document_of(state)
        del document["_id"]
        self._collection("stages").update({"_id": state.id}, {"$set": document}, upsert=True)

    def add_stage(self, stage_id: str) -> None:
        document = document_of(StageState(id=stage_id))
        self._collection("stages").update(
            {"_id": stage_id}, {"$setOnInsert": document}, upsert=True
        )

    def serve(self, stage_id: str, epoch: int, model_version: str | None, at: datetime) -> None:
        self._collection("stages").update(
            {"_id": stage_id, "serving_epoch": {"$lt": epoch}},
            {
                "$set": {
                    "serving_epoch": epoch,
                    "model_version": model_version,
                    "served_since": at,
                }
            },
        )


def _work_of(whose: Colleague) -> list[dict[str, Any]]:
    """The stages in which somebody works, as `Colleague.works_in` says it of one."""
    stages: list[dict[str, Any]] = [{"team": whose.team_id}]  # of somebody without a team: none
    if whose.reviews and whose.team_id is not None:
        stages.append({"review.team": whose.team_id})
    if whose.reviews and whose.internal:
        stages.append({"review.team": None})
    return stages
