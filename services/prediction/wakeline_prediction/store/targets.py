"""Targets: one document an asset and stage, shared by its task and its uploads.

Because both write this one document, a task that is opened and an upload that comes at the same
moment cannot pass by one another unseen.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from wakeline_events.base import StageId
from wakeline_events.labeling import TaskClosed, TaskOpened
from wakeline_prediction.domain.choice import target_id
from wakeline_prediction.domain.records import Answer, Size, Standing, Target, Upload
from wakeline_prediction.store.documents import document_of, record_of
from wakeline_storage import BufferedCollection


class TargetStore:
    """The collection ``targets``."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    async def many(self, target_ids: Iterable[str]) -> dict[str, Target]:
        """Those of these targets that are known, by id."""
        found = await self._rows.by_ids(target_ids)
        return {name: record_of(Target, row) for name, row in found.items()}

    async def standing(self, target_ids: Iterable[str]) -> dict[str, Standing]:
        """What uploads have to know of those of these targets that are known, by id."""
        found = await self._rows.by_ids(target_ids, Standing.model_fields)
        return {name: Standing.model_validate(row) for name, row in found.items()}

    async def sizes(self, target_ids: Iterable[str]) -> dict[str, Size]:
        """The sizes of the assets of those of these targets that have a task, by target."""
        wanted = {"_id": {"$in": sorted(target_ids)}, "asset": {"$ne": None}}
        rows = await self._rows.find(wanted, {"asset.width": 1, "asset.height": 1})
        return {row["_id"]: Size(row["asset"]["width"], row["asset"]["height"]) for row in rows}

    def add(self, target: Target) -> None:
        """Keep a target that is not known yet."""
        self._rows.insert(document_of(target))

    def open(self, event: TaskOpened) -> str:
        """Give a target its task; returns the target's id.

        A task that was closed and is opened again is answered anew: nobody knows what labeling
        kept of the answer.
        """
        name = target_id(event.stage_id, event.asset_id)
        reopened = {"_id": name, "open": False, "task_id": {"$ne": None}}
        self._rows.update(reopened, {"$set": {"answer": None}})
        self._rows.update(
            {"_id": name},
            {
                "$set": {
                    "stage_id": event.stage_id,
                    "asset_id": event.asset_id,
                    "task_id": event.task_id,
                    "asset": event.asset.model_dump(mode="json"),
                    "open": True,
                    "holdout": event.holdout,
                    "focus_regions": [list(region) for region in event.focus_regions],
                    "priority": event.priority,
                },
                "$setOnInsert": {"uploads": [], "answer": None},
            },
            upsert=True,
        )
        return name

    def close(self, event: TaskClosed) -> None:
        """Nobody works on the task any more."""
        name = target_id(event.stage_id, event.asset_id)
        self._rows.update({"_id": name, "task_id": event.task_id}, {"$set": {"open": False}})

    def ask_again(self, target_id: str, priority: int) -> None:
        """A prediction was asked for: an answer that was none is forgotten."""
        self._rows.update({"_id": target_id}, {"$set": {"priority": priority}})
        failed = {"_id": target_id, "answer.code": {"$type": "string"}}
        self._rows.update(failed, {"$set": {"answer": None}})

    def put_uploads(self, target_id: str, uploads: Iterable[Upload]) -> None:
        """Keep the uploads of a target that is known."""
        rows = [dict(upload) for upload in uploads]  # of text alone; a model's own dump is slow
        self._rows.update({"_id": target_id}, {"$set": {"uploads": rows}})

    def put_answer(self, target_id: str, answer: Answer) -> None:
        """Keep an answer, unless there is one of a later epoch."""
        self._rows.update(
            {
                "_id": target_id,
                "$or": [{"answer": None}, {"answer.epoch": {"$lte": answer.epoch}}],
            },
            {"$set": {"answer": answer.model_dump(mode="json")}},
        )

    async def unanswered(self, stage_id: StageId, after: str, limit: int) -> list[Target]:
        """Targets that nobody has answered for, and that somebody waits for, by id."""
        # By the epoch, which is missing where there is no answer: that is what is indexed.
        found = {"stage_id": stage_id, "answer.epoch": None, "_id": {"$gt": after}, "open": True}
        return await self._find(found, [("_id", 1)], limit, hint="unanswered")

    async def holdout(self, stage_id: StageId, after: str, limit: int) -> list[Target]:
        """Hold-out targets, open and closed, by id."""
        found = {"stage_id": stage_id, "holdout": True, "_id": {"$gt": after}}
        return await self._find(found, [("_id", 1)], limit, hint="holdout")

    async def most_urgent(self, stage_id: StageId, limit: int) -> list[Target]:
        """Open targets by priority, then by uncertainty, the greatest first."""
        if limit == 0:
            return []
        found = {"stage_id": stage_id, "open": True, "holdout": False}
        order = [("priority", -1), ("answer.uncertainty", -1), ("_id", 1)]
        return await self._find(found, order, limit, hint="most_urgent")

    async def counts(self, stage_id: StageId, epoch: int) -> Mapping[str, int]:
        """How many targets stand how: see ``TargetCounts`` of the API."""
        wanted: dict[str, Any] = {
            "stage_id": stage_id,
            "task_id": {"$ne": None},
            "$or": [{"open": True}, {"holdout": True}],
        }
        rows = await self._rows.aggregate(
            [
                {"$match": wanted},
                {
                    "$group": {
                        "_id": {
                            "$switch": {
                                "branches": [
                                    {"case": {"$eq": ["$answer", None]}, "then": "unanswered"},
                                    {"case": {"$lt": ["$answer.epoch", epoch]}, "then": "stale"},
                                    {"case": {"$ne": ["$answer.code", None]}, "then": "failed"},
                                ],
                                "default": "answered",
                            }
                        },
                        "n": {"$sum": 1},
                    }
                },
            ]
        )
        return {row["_id"]: row["n"] for row in rows}

    async def _find(
        self, filter: Mapping[str, Any], order: list[tuple[str, int]], limit: int, hint: str
    ) -> list[Target]:
        rows = await self._rows.find(filter, sort=order, limit=limit, hint=hint)
        return [record_of(Target, row) for row in rows]
