"""Finds tasks by what is asked for, in the order of their ids: an index has every page ready."""

from collections.abc import Collection, Sequence
from typing import Any

from wakeline_labeling.domain.ontology import class_word
from wakeline_labeling.domain.records import Slot, Task
from wakeline_labeling.domain.steering import Action, TaskFilter
from wakeline_labeling.store.documents import document_of, literal, maybe, records_of
from wakeline_storage import BufferedCollection

RANGES = 100
"""Tasks whose slots one query looks for."""
LOOKED_AT = 5
"""Labels looked at for each task that a page may have: a task has a few."""


class MongoTaskSearch:
    """The collections ``tasks``, ``labels`` and ``slots``, as managers look at them."""

    def __init__(
        self, tasks: BufferedCollection, labels: BufferedCollection, slots: BufferedCollection
    ) -> None:
        self._tasks = tasks
        self._labels = labels
        self._slots = slots

    async def page(
        self, project_id: str, wanted: TaskFilter, after: str, limit: int
    ) -> tuple[list[Task], str | None]:
        if wanted.held_by is not None:
            held = {"state": "leased", "lease.person_id": wanted.held_by}
            # By the index of living leases: those of everybody are few.
            rows = await self._slots.find(held, {"task_id": 1}, sort=[("lease.expires_at", 1)])
            return await self._among(project_id, wanted, {row["task_id"] for row in rows}, after)
        if wanted.asks_for_labels:
            return await self._by_labels(project_id, wanted, after, limit)
        query = {**_of_tasks(project_id, wanted), "_id": {"$gt": after}}
        found = records_of(Task, await self._tasks.find(query, sort=[("_id", 1)], limit=limit))
        return found, found[-1].id if len(found) == limit else None

    async def slots_of(self, task_ids: Sequence[str]) -> dict[str, list[Slot]]:
        found: dict[str, list[Slot]] = {task_id: [] for task_id in task_ids}
        for first in range(0, len(task_ids), RANGES):
            ranges = [{"_id": _of_task(t)} for t in task_ids[first : first + RANGES]]
            for slot in records_of(Slot, await self._slots.find({"$or": ranges})):
                found[slot.task_id].append(slot)
        for slots in found.values():
            slots.sort(key=lambda slot: slot.number)
        return found

    async def _by_labels(
        self, project_id: str, wanted: TaskFilter, after: str, limit: int
    ) -> tuple[list[Task], str | None]:
        """Walk the labels in the order of their ids, which begin with their task's."""
        query: dict[str, Any] = {"project_id": project_id, "_id": {"$gt": f"{after}/"}}
        query |= {"person_id": wanted.person_id} if wanted.person_id else {}
        query |= {"team_id": wanted.team_id} if wanted.team_id else {}
        if wanted.class_name:
            query["uses"] = class_word(wanted.class_name)
        rows = await self._labels.find(
            query, {"task_id": 1}, sort=[("_id", 1)], limit=limit * LOOKED_AT
        )
        ids = list(dict.fromkeys(row["task_id"] for row in rows))
        more = len(rows) == limit * LOOKED_AT or len(ids) > limit
        ids = ids[:limit]
        found, _ = await self._among(project_id, wanted, ids, after)
        return found, ids[-1] if more else None

    async def _among(
        self, project_id: str, wanted: TaskFilter, ids: Collection[str], after: str
    ) -> tuple[list[Task], str | None]:
        there = sorted(task_id for task_id in ids if task_id > after)
        query = {**_of_tasks(project_id, wanted), "_id": {"$in": there}}
        return records_of(Task, await self._tasks.find(query, sort=[("_id", 1)])), None


class MongoActions:
    """The collection ``actions``."""

    def __init__(self, actions: BufferedCollection) -> None:
        self._actions = actions

    async def get(self, action_id: str) -> Action | None:
        return maybe(Action, await self._actions.find_one({"_id": action_id}))

    async def page(self, project_id: str, before: str | None, limit: int) -> list[Action]:
        wanted: dict[str, Any] = {"project_id": project_id}
        wanted |= {"_id": {"$lt": before}} if before else {}
        return records_of(Action, await self._actions.find(wanted, sort=[("_id", -1)], limit=limit))

    def put(self, action: Action) -> None:
        self._actions.replace({"_id": action.id}, document_of(action), upsert=True)


class MongoSteering:
    """Changes of tasks and their slots that are no step of a lease."""

    def __init__(self, tasks: BufferedCollection, slots: BufferedCollection) -> None:
        self._tasks = tasks
        self._slots = slots

    def prioritise(self, task_id: str, priority: int, ahead_if_rework: int) -> None:
        self._tasks.update({"_id": task_id}, {"$set": {"priority": priority}})
        rework = {"$ne": [{"$ifNull": ["$rework_of", None]}, None]}
        ahead = {"$cond": [rework, priority + ahead_if_rework, priority]}
        self._slots.update_many({"_id": _of_task(task_id)}, [{"$set": {"priority": ahead}}])

    def reserve(self, slot_id: str, person_id: str, minutes: float) -> None:
        until = {"$add": ["$$NOW", round(minutes * 60_000)]}
        kept = {"person_id": literal(person_id), "expert": False, "until": until}
        self._slots.update({"_id": slot_id, "state": "queued"}, [{"$set": {"reserved": kept}}])

    def end_lease(self, slot: Slot, state: str) -> None:
        self._slots.update(
            {"_id": slot.id, "state": "leased", "fence": slot.fence},
            {"$set": {"state": state}, "$unset": {"request": ""}},
        )

    def cancel(self, task_id: str) -> None:
        self._tasks.update({"_id": task_id}, {"$set": {"state": "cancelled"}})
        waiting = {"$in": ["queued", "held", "submitted"]}
        self._slots.update_many(
            {"_id": _of_task(task_id), "state": waiting},
            {"$set": {"state": "done", "reserved": None}, "$unset": {"request": ""}},
        )

    def reopen(self, task_id: str) -> None:
        self._tasks.update({"_id": task_id}, {"$set": {"state": "open", "accepted_label": None}})

    def queue_again(self, slot: Slot, state: str, round: int) -> None:
        change = {"state": state, "round": round, "reserved": None}
        self._slots.update(
            {"_id": slot.id, "state": "done", "fence": slot.fence},
            {"$set": change, "$unset": {"request": ""}},
        )


def _of_tasks(project_id: str, wanted: TaskFilter) -> dict[str, Any]:
    query: dict[str, Any] = {"project_id": project_id}
    query |= {"stage_id": wanted.stage_id} if wanted.stage_id else {}
    query |= {"state": wanted.state} if wanted.state else {}
    query |= {"asset.asset_id": wanted.asset_id} if wanted.asset_id else {}
    if wanted.agreement_below is not None:
        query["agreement"] = {"$lt": wanted.agreement_below}
    if wanted.priority_from is not None:
        query["priority"] = {"$gte": wanted.priority_from}
    opened = {"$lt": wanted.opened_before, "$gt": wanted.opened_after}
    if bounds := {operator: at for operator, at in opened.items() if at is not None}:
        query["opened_at"] = bounds
    return query


def _of_task(task_id: str) -> dict[str, str]:
    # "/" follows "." in ASCII: every slot of the task and nothing else, by the index on _id.
    return {"$gte": f"{task_id}.", "$lt": f"{task_id}/"}
