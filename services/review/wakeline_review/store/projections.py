"""What review keeps of other services' events: projects, benchmarks, and how people do."""

from collections.abc import Sequence
from typing import Any

from wakeline_events.base import AssetId, PersonId, ProjectId, StageId
from wakeline_events.configuration import ProjectDocument, StagePolicy
from wakeline_events.shapes import AnnotationSet
from wakeline_review.domain.records import LAST_SCORES, Standing, benchmark_id
from wakeline_storage import BufferedCollection


class MongoProjects:
    """One row a project, the newest version wins; stages that are gone stand beside it."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows
        self._last: tuple[Any, ProjectDocument] | None = None

    async def get(self, project_id: ProjectId) -> ProjectDocument | None:
        """The latest configuration, or None if none has arrived.

        Stages that the project has no more are in it as they last were: labels of theirs may still
        wait for a verdict, or come.
        """
        row = await self._rows.find_one({"_id": project_id})
        if row is None:
            return None
        # The very document that was read last: the labels of a batch are mostly of one project.
        if self._last is None or self._last[0] is not row["document"]:
            document = ProjectDocument.model_validate(row["document"])
            gone = tuple(StagePolicy.model_validate(stage) for stage in row.get("gone", ()))
            document = document.model_copy(update={"stages": document.stages + gone})
            self._last = row["document"], document
        return self._last[1]

    def put(
        self,
        project_id: ProjectId,
        version: int,
        document: ProjectDocument,
        gone: Sequence[StagePolicy],
    ) -> None:
        """Keep a configuration; its events come in order, so the last one is the newest."""
        row = {
            "_id": project_id,
            "version": version,
            "document": document.model_dump(mode="json"),
            "gone": [stage.model_dump(mode="json") for stage in gone],
        }
        self._rows.replace({"_id": project_id}, row, upsert=True)


class MongoBenchmarks:
    """One row a stage and asset."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    async def get(self, stage_id: StageId, asset_id: AssetId) -> AnnotationSet | None:
        """The trusted label of an asset, if it has one."""
        row = await self._rows.find_one({"_id": benchmark_id(stage_id, asset_id)})
        return AnnotationSet.model_validate(row["truth"]) if row else None

    def put(self, stage_id: StageId, asset_id: AssetId, truth: AnnotationSet) -> None:
        """Keep a trusted label."""
        row_id = benchmark_id(stage_id, asset_id)
        row = {"_id": row_id, "truth": truth.model_dump(mode="json")}
        self._rows.replace({"_id": row_id}, row, upsert=True)


class MongoWithdrawals:
    """One row an image, while it is not to be had. Only ingest's events add one or remove it."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    async def holds(self, asset_id: AssetId) -> bool:
        """Whether an image is not to be had."""
        return await self._rows.find_one({"_id": asset_id}) is not None

    async def note(self, asset_id: AssetId) -> bool:
        """Whether an image is not to be had; if it is back meanwhile, the transaction conflicts."""
        there = await self.holds(asset_id)
        if there:
            self._rows.update({"_id": asset_id}, {"$inc": {"looks": 1}})
        return there

    def add(self, asset_id: AssetId) -> None:
        """An image is not to be had."""
        self._rows.update({"_id": asset_id}, {"$setOnInsert": {"looks": 0}}, upsert=True)

    def remove(self, asset_id: AssetId) -> None:
        """An image is to be had again."""
        self._rows.delete({"_id": asset_id})


class MongoStandings:
    """One row a stage and person."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    async def get(self, stage_id: StageId, person_id: PersonId) -> Standing:
        """What is known of a person; of somebody new, nothing."""
        row = await self._rows.find_one({"_id": f"{stage_id}|{person_id}"})
        if row is None:
            return Standing(stage_id=stage_id, person_id=person_id)
        return Standing.model_validate(row)

    def count_label(self, stage_id: StageId, person_id: PersonId) -> None:
        """Count one more label of a person, of those that count."""
        whose = {"stage_id": stage_id, "person_id": person_id}
        self._rows.add_up(f"{stage_id}|{person_id}", {"labels": 1}, whose)

    def add_score(self, stage_id: StageId, person_id: PersonId, score: float) -> None:
        """Keep one more benchmark score of a person, and forget the oldest."""
        last = {"scores": {"$each": [score], "$slice": -LAST_SCORES}}
        whose = {"stage_id": stage_id, "person_id": person_id}
        row = {"_id": f"{stage_id}|{person_id}"}
        self._rows.update(row, {"$push": last, "$setOnInsert": whose}, upsert=True)
