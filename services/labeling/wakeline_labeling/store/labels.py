"""What people submitted, what became of it, their drafts, and the trusted labels."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from wakeline_events.shapes import AnnotationSet
from wakeline_labeling.domain import names
from wakeline_labeling.domain.records import Acceptance, Benchmark, Draft, Label, Prelabel
from wakeline_labeling.store.documents import document_of, maybe, records_of
from wakeline_storage import BufferedCollection


class MongoLabels:
    """The collection ``labels``."""

    def __init__(self, labels: BufferedCollection) -> None:
        self._labels = labels

    async def get(self, label_id: str) -> Label | None:
        return maybe(Label, await self._labels.find_one({"_id": label_id}))

    async def many(self, label_ids: Collection[str]) -> dict[str, Label]:
        rows = await self._labels.find({"_id": {"$in": sorted(label_ids)}})
        return {label.id: label for label in records_of(Label, rows)}

    async def of_lease(self, slot_id: str, lease_ids: Collection[str]) -> Label | None:
        of_slot = {"$gte": f"{slot_id}.", "$lt": f"{slot_id}/"}
        wanted = {"_id": of_slot, "lease_id": {"$in": list(lease_ids)}}
        return maybe(Label, await self._labels.find_one(wanted))

    async def page(
        self,
        project_id: str,
        stage_id: str | None,
        state: str | None,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Label]:
        wanted: dict[str, Any] = {"project_id": project_id}
        wanted |= {"stage_id": stage_id} if stage_id else {}
        wanted |= {"state": state} if state else {}
        if after is not None:
            moment, label_id = after
            wanted["$or"] = [
                {"submitted_at": {"$gt": moment}},
                {"submitted_at": moment, "_id": {"$gt": label_id}},
            ]
        rows = await self._labels.find(wanted, sort=[("submitted_at", 1), ("_id", 1)], limit=limit)
        return records_of(Label, rows)

    async def count_of_stage(self, project_id: str, stage_id: str) -> int:
        return await self._labels.count({"project_id": project_id, "stage_id": stage_id})

    async def count_using(self, project_id: str, word: str) -> int:
        return await self._labels.count({"project_id": project_id, "uses": word})

    def add(self, label: Label) -> None:
        self._labels.insert(document_of(label))

    def accept(self, label_id: str, acceptance: Acceptance, state: str) -> None:
        self._labels.update(
            {"_id": label_id}, {"$set": {"state": state, "acceptance": document_of(acceptance)}}
        )

    def reject(self, label_id: str) -> None:
        self._labels.update({"_id": label_id}, {"$set": {"state": "rejected"}})

    def correct(self, label_id: str, annotations: AnnotationSet, reviewer_id: str) -> None:
        self._labels.update(
            {"_id": label_id},
            {
                "$set": {
                    "acceptance.annotations": annotations.model_dump(),
                    "acceptance.verdict": "superseded",
                    "acceptance.reviewer_id": reviewer_id,
                }
            },
        )


class MongoDrafts:
    """The collection ``drafts``."""

    def __init__(self, drafts: BufferedCollection) -> None:
        self._drafts = drafts

    async def get(self, slot_id: str, person_id: str) -> Draft | None:
        return maybe(
            Draft, await self._drafts.find_one({"_id": names.draft_id(slot_id, person_id)})
        )

    def put(self, draft: Draft) -> None:
        self._drafts.replace({"_id": draft.id}, document_of(draft), upsert=True)

    def delete(self, slot_id: str, person_id: str) -> None:
        self._drafts.delete({"_id": names.draft_id(slot_id, person_id)})


class MongoPrelabels:
    """The collection ``prelabels``."""

    def __init__(self, prelabels: BufferedCollection) -> None:
        self._prelabels = prelabels

    async def get(self, prediction_id: str) -> Prelabel | None:
        return maybe(Prelabel, await self._prelabels.find_one({"_id": prediction_id}))

    def put(self, prelabel: Prelabel) -> None:
        document = document_of(prelabel)
        self._prelabels.replace({"_id": prelabel.id}, document, upsert=True)


class MongoBenchmarks:
    """The collection ``benchmarks``."""

    def __init__(self, benchmarks: BufferedCollection) -> None:
        self._benchmarks = benchmarks

    async def many(self, ids: Collection[str]) -> dict[str, Benchmark]:
        rows = await self._benchmarks.find({"_id": {"$in": sorted(ids)}})
        return {row.id: row for row in records_of(Benchmark, rows)}

    async def page(self, asset_id: str | None, after: str, limit: int) -> list[Benchmark]:
        wanted = {"_id": {"$gt": after}} | ({"asset_id": asset_id} if asset_id else {})
        rows = await self._benchmarks.find(wanted, sort=[("_id", 1)], limit=limit)
        return records_of(Benchmark, rows)

    def put(self, benchmark: Benchmark) -> None:
        self._benchmarks.replace({"_id": benchmark.id}, document_of(benchmark), upsert=True)
