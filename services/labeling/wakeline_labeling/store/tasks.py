"""Tasks, one an asset and stage."""

from collections.abc import Collection

from wakeline_labeling.domain.records import Task
from wakeline_labeling.store.documents import document_of, maybe, records_of
from wakeline_storage import BufferedCollection


class MongoTasks:
    """The collection ``tasks``."""

    def __init__(self, tasks: BufferedCollection) -> None:
        self._tasks = tasks

    async def get(self, task_id: str) -> Task | None:
        return maybe(Task, await self._tasks.find_one({"_id": task_id}))

    async def exists(self, task_id: str) -> bool:
        return await self._tasks.find_one({"_id": task_id}, {"_id": 1}) is not None

    async def existing(self, task_ids: Collection[str]) -> set[str]:
        rows = await self._tasks.find({"_id": {"$in": sorted(task_ids)}}, {"_id": 1})
        return {row["_id"] for row in rows}

    async def many(self, task_ids: Collection[str]) -> dict[str, Task]:
        rows = await self._tasks.find({"_id": {"$in": sorted(task_ids)}})
        return {task.id: task for task in records_of(Task, rows)}

    async def of_groups(self, stage_id: str, groups: Collection[tuple[str, str]]) -> list[Task]:
        if not groups:
            return []
        wanted = [{"asset.dataset_id": dataset, "asset.group": group} for dataset, group in groups]
        rows = await self._tasks.find({"stage_id": stage_id, "holdout": True, "$or": wanted})
        return records_of(Task, rows)

    async def paired(self, stage_id: str) -> list[Task]:
        rows = await self._tasks.find({"stage_id": stage_id, "paired": True})
        return records_of(Task, rows)

    async def note_companion(self, task_id: str) -> Task | None:
        change = {"$set": {"companion_done": True}}
        return maybe(Task, await self._tasks.find_one_and_update({"_id": task_id}, change))

    def add(self, task: Task) -> None:
        self._tasks.insert(document_of(task))

    def replace(self, task: Task) -> None:
        self._tasks.replace({"_id": task.id}, document_of(task))

    def accept(self, task_id: str, label_id: str, agreement: float | None, *, closed: bool) -> None:
        state = "closed" if closed else "accepted"
        self._tasks.update(
            {"_id": task_id, "state": "open"},
            {"$set": {"state": state, "accepted_label": label_id, "agreement": agreement}},
        )

    def close(self, task_id: str) -> None:
        self._tasks.update({"_id": task_id}, {"$set": {"state": "closed"}})

    def put_withdrawn(self, task_id: str, *, withdrawn: bool) -> None:
        self._tasks.update({"_id": task_id}, {"$set": {"withdrawn": withdrawn}})
