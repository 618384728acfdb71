"""Accepted labels and benchmarks: what dataset versions are made of."""

from collections.abc import Sequence
from typing import Any

from wakeline_events.base import AssetId, DatasetId, LabelId, StageId
from wakeline_events.labeling import BenchmarkSet
from wakeline_events.review import LabelAccepted
from wakeline_events.shapes import AnnotationSet
from wakeline_storage import BufferedCollection, Document
from wakeline_training.domain.manifest import Candidate, is_unassisted
from wakeline_training.domain.splits import AssetFacts, Group
from wakeline_training.ports import LabelRow

OF_FACTS = {
    f"asset.{field}": 1 for field in ("asset_id", "dataset_id", "group", "digest", "neighbours")
}
"""Projection of what `facts_of` reads."""


class LabelStore:
    """The collection ``labels``."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    async def has(self, label_id: LabelId) -> bool:
        """Whether a label was accepted."""
        return await self._rows.find_one({"_id": label_id}, {"_id": 1}) is not None

    def accept(self, event: LabelAccepted) -> None:
        """Keep an accepted label; one of a later round takes its place when it is frozen."""
        told = {
            **_of_asset(event.asset.model_dump(mode="json"), event.stage_id),
            "task_id": event.task_id,
            "slot": event.slot,
            "round": event.round,
            "arm": event.arm,
            "unassisted": is_unassisted(event.arm, event.assisted),
            "annotations": event.annotations.model_dump(mode="json"),
            "focus_regions": event.focus_regions,
        }
        self._rows.update(
            {"_id": event.label_id}, {"$set": told, "$setOnInsert": {"corrections": 0}}, upsert=True
        )

    def supersede(self, label_id: LabelId, annotations: AnnotationSet) -> None:
        """Later versions take the corrected annotations; earlier ones are what they are."""
        self._rows.update(
            {"_id": label_id},
            {
                "$set": {"annotations": annotations.model_dump(mode="json")},
                "$inc": {"corrections": 1},
            },
        )

    async def of_stage(self, stage_id: StageId, datasets: Sequence[DatasetId]) -> list[Candidate]:
        """The latest accepted label of each asset, by asset id."""
        rows = self._rows.each(
            {"stage_id": stage_id, "dataset_id": {"$in": list(datasets)}},
            {"unassisted": 1, **OF_FACTS},
            sort=[("asset_id", 1), ("round", 1), ("_id", 1)],
        )
        latest: dict[AssetId, Candidate] = {}
        async for row in rows:
            found = Candidate(row["_id"], facts_of(row["asset"]), row["unassisted"])
            latest[found.asset_id] = found
        return list(latest.values())

    async def rows(self, label_ids: Sequence[LabelId]) -> dict[LabelId, LabelRow]:
        """Labels with their annotations as they are now, by their ids."""
        rows = await self._rows.find({"_id": {"$in": list(label_ids)}})
        return {row["_id"]: _row(row, row["_id"], row["unassisted"]) for row in rows}

    async def unassisted_groups(self, datasets: Sequence[DatasetId]) -> frozenset[Group]:
        """Groups with an unassisted label at any stage of any project."""
        rows = await self._rows.aggregate(
            [
                {"$match": {"dataset_id": {"$in": list(datasets)}, "unassisted": True}},
                {"$group": {"_id": {"dataset": "$dataset_id", "group": "$group"}}},
            ]
        )
        return frozenset(Group(row["_id"]["dataset"], row["_id"]["group"]) for row in rows)

    async def presumed_holdout(self, stage_id: StageId) -> frozenset[AssetId]:
        """Assets whose tasks were opened as hold-out: predictors are asked about these."""
        rows = await self._rows.find({"stage_id": stage_id, "arm": "holdout"}, {"asset_id": 1})
        return frozenset(row["asset_id"] for row in rows)


class BenchmarkStore:
    """The collection ``benchmarks``."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    def put(self, event: BenchmarkSet) -> None:
        """Keep the trusted truth of an asset at a stage, in place of an earlier one."""
        self._rows.replace(
            {"_id": f"{event.stage_id}|{event.asset_id}"},
            {
                **_of_asset(event.asset.model_dump(mode="json"), event.stage_id),
                "annotations": event.truth.model_dump(mode="json"),
                "focus_regions": event.focus_regions,
            },
            upsert=True,
        )

    async def of_stage(self, stage_id: StageId, datasets: Sequence[DatasetId]) -> list[Candidate]:
        """The benchmarks of one stage, by asset id."""
        rows = self._rows.each(
            {"stage_id": stage_id, "dataset_id": {"$in": list(datasets)}},
            OF_FACTS,
            sort=[("asset_id", 1)],
        )
        return [Candidate(None, facts_of(row["asset"]), True) async for row in rows]

    async def rows(
        self, stage_id: StageId, asset_ids: Sequence[AssetId]
    ) -> dict[AssetId, LabelRow]:
        """Benchmarks with their truth as it is now, by their assets."""
        ids = [f"{stage_id}|{asset_id}" for asset_id in asset_ids]
        rows = await self._rows.find({"_id": {"$in": ids}})
        return {row["asset_id"]: _row(row, None, True) for row in rows}

    async def assets(self, datasets: Sequence[DatasetId]) -> list[AssetFacts]:
        """Assets with a benchmark at any stage of any project."""
        rows = await self._rows.find({"dataset_id": {"$in": list(datasets)}}, {"asset": 1})
        return [facts_of(row["asset"]) for row in rows]


def _row(row: Document, label_id: LabelId | None, unassisted: bool) -> LabelRow:
    annotations = AnnotationSet.model_validate(row["annotations"])
    regions = tuple(map(tuple, row.get("focus_regions", ())))  # none in rows of before 1.2
    return LabelRow(label_id, row["asset"], unassisted, annotations, regions)


def facts_of(asset: Document) -> AssetFacts:
    """What splitting needs of an asset as events carry it."""
    return AssetFacts(
        asset_id=asset["asset_id"],
        group=Group(asset["dataset_id"], asset["group"]),
        digest=asset["digest"],
        relatives=frozenset(asset["neighbours"]),
    )


def _of_asset(asset: dict[str, Any], stage_id: StageId) -> Document:
    return {
        "stage_id": stage_id,
        "dataset_id": asset["dataset_id"],
        "group": asset["group"],
        "asset_id": asset["asset_id"],
        "asset": asset,
    }
