"""Finds tasks by what is asked for, in the order of their ids: an index has every page ready."""

from collections.abc import Collection, Sequence
from typing import Any

from wakeline_labeling.domain.ontology import class_word
from wakeline_labeling.domain.records import Slot, Task
from wakeline_labeling.domain.steering import Action, TaskFilter
from wakeline_labeling.store.documents import document_of, literal, maybe, records_of
from wakeline_labeling.store.slots import LEASES_OF_PERSON
from wakeline_storage import BufferedCollection, Document

BY_ID = [("_id", 1)]
RANGES = 100
"""Tasks whose slots or labels one query looks for."""
_TASK = {"task_id": 1}
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
        most = limit
        if wanted.held_by is not None:
            # In the order of the ids of slots, and below of labels: they begin with their task's.
            held = {**_held(project_id, wanted), "_id": {"$gt": f"{after}/"}}
            rows = await self._slots.find(
                held, _TASK, sort=BY_ID, limit=most, hint=LEASES_OF_PERSON
            )
        elif wanted.asks_for_labels:
            most *= LOOKED_AT
            made = {**_of_labels(project_id, wanted), "_id": {"$gt": f"{after}/"}}
            rows = await self._labels.find(made, _TASK, sort=BY_ID, limit=most)
        else:
            query = {**_of_tasks(project_id, wanted), "_id": {"$gt": after}}
            found = records_of(Task, await self._tasks.find(query, sort=BY_ID, limit=limit))
            return found, found[-1].id if len(found) == limit else None
        ids = list(dict.fromkeys(row["task_id"] for row in rows))
        more = len(rows) == most or len(ids) > limit
        ids = ids[:limit]
        found = await self._among(project_id, wanted, ids)
        if wanted.held_by is not None:
            found = await self._labeled(wanted, found)
        return found, ids[-1] if more else None

    async def those(
        self, project_id: str, wanted: TaskFilter, task_ids: Collection[str]
    ) -> list[Task]:
        found = await self._labeled(wanted, await self._among(project_id, wanted, task_ids))
        if wanted.held_by is None:
            return found
        of_these = {"task_id": {"$in": [task.id for task in found]}}
        rows = await self._slots.find(
            {**_held(project_id, wanted), **of_these}, _TASK, hint=LEASES_OF_PERSON
        )
        held = {row["task_id"] for row in rows}
        return [task for task in found if task.id in held]

    async def slots_of(self, task_ids: Sequence[str]) -> dict[str, list[Slot]]:
        found: dict[str, list[Slot]] = {task_id: [] for task_id in task_ids}
        for slot in records_of(Slot, await _all_of(self._slots, task_ids)):
            found[slot.task_id].append(slot)
        for slots in found.values():
            slots.sort(key=lambda slot: slot.number)
        return found

    async def _among(
        self, project_id: str, wanted: TaskFilter, task_ids: Collection[str]
    ) -> list[Task]:
        """Those of the tasks for which holds what tasks themselves say."""
        query = {**_of_tasks(project_id, wanted), "_id": {"$in": sorted(task_ids)}}
        return records_of(Task, await self._tasks.find(query, sort=BY_ID))

    async def _labeled(self, wanted: TaskFilter, tasks: list[Task]) -> list[Task]:
        """Those of the tasks that have a label like that, if one is asked for."""
        if not wanted.asks_for_labels:
            return tasks
        rows = await _all_of(self._labels, [task.id for task in tasks])
        made = {row["task_id"] for row in rows if _fits(row, wanted)}
        return [task for task in tasks if task.id in made]


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

    def reopen(self, task_id: str, remade: Sequence[str]) -> None:
        change = {
            "$set": {"state": "open", "accepted_label": None},
            "$addToSet": {"remade": {"$each": list(remade)}},
        }
        self._tasks.update({"_id": task_id}, change)

    def queue_again(self, slot: Slot, state: str, round: int) -> None:
        change = {"state": state, "round": round, "reserved": None}
        self._slots.update(
            {"_id": slot.id, "state": "done", "fence": slot.fence},
            {"$set": change, "$unset": {"request": ""}},
        )


async def _all_of(rows: BufferedCollection, task_ids: Sequence[str]) -> list[Document]:
    """The slots or the labels of tasks."""
    found = []
    for first in range(0, len(task_ids), RANGES):
        ranges = [{"_id": _of_task(t)} for t in task_ids[first : first + RANGES]]
        found += await rows.find({"$or": ranges})
    return found


def _held(project_id: str, wanted: TaskFilter) -> dict[str, Any]:
    return {"project_id": project_id, "state": "leased", "lease.person_id": wanted.held_by}


def _of_labels(project_id: str, wanted: TaskFilter) -> dict[str, Any]:
    query: dict[str, Any] = {"project_id": project_id}
    query |= {"person_id": wanted.person_id} if wanted.person_id else {}
    query |= {"team_id": wanted.team_id} if wanted.team_id else {}
    query |= {"uses": class_word(wanted.class_name)} if wanted.class_name else {}
    return query


def _fits(label: Document, wanted: TaskFilter) -> bool:
    return (
        wanted.person_id in (None, label["person_id"])
        and wanted.team_id in (None, label["team_id"])
        and (wanted.class_name is None or class_word(wanted.class_name) in label["uses"])
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
    # "/" follows "." in ASCII: all slots or labels of the task and nothing else, by the index on
    # _id.
    return {"$gte": f"{task_id}.", "$lt": f"{task_id}/"}
