"""Slots, one document each: every step of a lease is one atomic change of one document.

Leases are told the time by the database (``$$NOW``): processes whose clocks differ cannot both
hold one.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from wakeline_labeling.domain.names import LeaseName, slot_id
from wakeline_labeling.domain.queueing import UNKNOWN_RANK
from wakeline_labeling.domain.records import WAITING, Answer, Order, Reservation, Slot
from wakeline_labeling.store.documents import document_of, literal, maybe, record_of, records_of
from wakeline_storage import BufferedCollection, Document

IN_ORDER = [("priority", -1), ("rank", 1), ("_id", 1)]
"""How a queue is sorted."""
BY_PERSON = "one_slot_a_person"
LEASES_OF_PERSON, LEASES_OF_TEAM = "leases_of_person", "leases_of_team"
WITHDRAWN = "withdrawn:"
"""Before the name of the queue of a slot whose image is not to be had. No project is called so."""
MOST_OPENED = 11
"""Slots that a task is opened with at most: ten labels, and the second half of a pair."""
UNLEASED = {"people.0": {"$exists": False}}
UNTOUCHED = {**UNLEASED, "state": {"$in": WAITING}, "round": 1}
"""What ``Slot.untouched`` says, to MongoDB."""


Change = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class MongoSlots:
    """The collection ``slots``."""

    def __init__(self, slots: BufferedCollection) -> None:
        self._slots = slots

    async def get(self, slot_id: str) -> Slot | None:
        return maybe(Slot, await self._slots.find_one({"_id": slot_id}))

    async def of_task(self, task_id: str) -> list[Slot]:
        rows = await self._slots.find(of_task(task_id))
        return sorted(records_of(Slot, rows), key=lambda slot: slot.number)

    async def of_tasks(self, task_ids: Collection[str]) -> dict[str, list[Slot]]:
        ids = [slot_id(task, number) for task in task_ids for number in range(MOST_OPENED)]
        found: dict[str, list[Slot]] = {task: [] for task in task_ids}
        for slot in records_of(Slot, await self._slots.find({"_id": {"$in": ids}})):
            found[slot.task_id].append(slot)
        return {task: sorted(slots, key=lambda slot: slot.number) for task, slots in found.items()}

    async def of_person(self, task_id: str, person_id: str) -> Slot | None:
        rows = await self._slots.find(_of_person(task_id, person_id), limit=1, hint=BY_PERSON)
        return record_of(Slot, rows[0]) if rows else None

    async def live(self, name: LeaseName) -> Slot | None:
        rows = await self._slots.find(_live(name), limit=1, hint=BY_PERSON)
        return record_of(Slot, rows[0]) if rows else None

    async def leased_by(self, person_id: str) -> list[Slot]:
        wanted = {"state": "leased", "lease.person_id": person_id, "$expr": _LIVING}
        rows = await self._slots.find(wanted, sort=[("lease.expires_at", 1)], hint=LEASES_OF_PERSON)
        return records_of(Slot, rows)

    async def extend(self, name: LeaseName, by: timedelta) -> datetime | None:
        row = await self._slots.find_one_and_update(
            _live(name),
            [{"$set": {"lease.expires_at": from_now(by)}}],
            projection={"lease.expires_at": 1},
            hint=BY_PERSON,
        )
        return row["lease"]["expires_at"] if row else None

    async def submit(
        self, slot_ids: Sequence[str], leases: Sequence[LeaseName]
    ) -> list[Slot | None]:
        living = {"_id": {"$in": list(slot_ids)}, "state": "leased", "$expr": _LIVING}
        rows = await self._slots.aggregate([{"$match": living}, {"$set": {"now": "$$NOW"}}])
        here = {row["_id"]: row for row in rows}
        return [self._end(here, slot, name) for slot, name in zip(slot_ids, leases, strict=True)]

    def _end(self, here: dict[str, Document], slot_id: str, name: LeaseName) -> Slot | None:
        row = here.get(slot_id)
        if row is None or (row["fence"], row["lease"]["person_id"]) != (name.fence, name.person_id):
            return None
        del here[slot_id]  # a lease ends once, also where it is submitted twice at once
        change = {
            "state": "submitted" if row["counts"] else "done",  # the others want no verdict
            "lease.submitted_at": row["now"],
            "reserved": None,
        }
        self._slots.update({"_id": slot_id, "fence": name.fence}, {"$set": change})
        lease = row["lease"] | {"submitted_at": row.pop("now")}
        return record_of(Slot, row | {"state": change["state"], "reserved": None, "lease": lease})

    async def release(self, name: LeaseName, *, exclude: bool) -> Slot | None:
        change: dict[str, Any] = {"state": "queued", "request": "$$REMOVE"}
        if exclude:
            person = literal(name.person_id)
            theirs = {"$eq": ["$reserved.person_id", person]}
            change |= {
                "excluded": {"$setUnion": ["$excluded", [person]]},
                # kept for somebody who does not want it, it would be nobody's until then
                "reserved": {"$cond": [theirs, None, "$reserved"]},
            }
        return await self._change(name, [{"$set": change}])

    async def mark_draft(self, name: LeaseName) -> Slot | None:
        return await self._change(name, {"$addToSet": {"drafts": name.person_id}})

    async def _change(self, name: LeaseName, change: Change) -> Slot | None:
        row = await self._slots.find_one_and_update(_live(name), change, hint=BY_PERSON)
        return maybe(Slot, row)

    async def expired(self, limit: int) -> list[Slot]:
        over = {"state": "leased", "$expr": {"$lte": ["$lease.expires_at", "$$NOW"]}}
        rows = await self._slots.find(over, sort=[("lease.expires_at", 1)], limit=limit)
        return records_of(Slot, rows)

    async def to_request(self, stage_id: str, epoch: int, limit: int) -> list[Slot]:
        stale = {"answer.epoch": {"$lt": epoch}, "requested_epoch": {"$lt": epoch}}
        wanted = {"queue": stage_id, "state": "queued", **stale}
        return records_of(Slot, await self._slots.find(wanted, sort=IN_ORDER, limit=limit))

    async def count_fresh(self, stage_id: str, epoch: int, limit: int) -> int:
        fresh = {"queue": stage_id, "state": "queued", "answer.epoch": {"$gte": epoch}}
        return await self._slots.count(fresh, limit=limit)

    async def tally(self, stage_id: str) -> list[Mapping[str, Any]]:
        waits = {
            "$and": [
                {"$in": ["$state", ["queued", "held"]]},
                {"$eq": [{"$substrBytes": ["$queue", 0, len(WITHDRAWN)]}, WITHDRAWN]},
            ]
        }
        state = {"$cond": [waits, "withdrawn", "$state"]}
        key = {"state": state, "arm": "$arm", "epoch": "$answer.epoch"}
        rows = await self._slots.aggregate(
            [
                {"$match": {"stage_id": stage_id}},
                {"$group": {"_id": key, "n": {"$sum": 1}}},
            ]
        )
        return [row["_id"] | {"n": row["n"]} for row in rows]

    async def count_unsuitable(self, stage_id: str, people: Collection[str]) -> int:
        nobody_left = {"excluded": {"$all": sorted(people)}}
        return await self._slots.count({"queue": stage_id, "state": "queued", **nobody_left})

    async def page_of_ids(self, stage_id: str, after: str, limit: int) -> list[str]:
        rows = await self._slots.find(
            {"stage_id": stage_id, "_id": {"$gt": after}},
            {"_id": 1},
            sort=[("_id", 1)],
            limit=limit,
        )
        return [row["_id"] for row in rows]

    def add(self, slot: Slot) -> None:
        self._slots.insert(document_of(slot))

    def replace_untouched(self, slot: Slot) -> None:
        self._slots.replace({"_id": slot.id, **UNTOUCHED}, document_of(slot))

    def replace_unleased(self, slot: Slot) -> None:
        self._slots.replace({"_id": slot.id, **UNLEASED}, document_of(slot))

    def remove_untouched(self, slot_id: str) -> None:
        self._slots.delete({"_id": slot_id, **UNTOUCHED})

    def answer(self, task_id: str, answer: Answer) -> None:
        uncertainty = UNKNOWN_RANK if answer.uncertainty is None else 1.0 - answer.uncertainty
        by_uncertainty = {"$eq": ["$order", "uncertainty"]}
        change = {
            "answer": literal(document_of(answer)),
            "ready_at": "$opened_at",
            "rank": {"$cond": [by_uncertainty, uncertainty, "$rank"]},
        }
        not_later = {**of_task(task_id), "answer.epoch": {"$lte": answer.epoch}}
        self._slots.update_many(not_later, [{"$set": change}])

    def unhold(self, task_id: str, seen_by: str) -> None:
        self._slots.update_many(
            {**of_task(task_id), "state": "held"},
            {"$set": {"state": "queued"}, "$addToSet": {"excluded": seen_by}},
        )

    def expire(self, slot: Slot) -> None:
        self._slots.update(
            {"_id": slot.id, "state": "leased", "fence": slot.fence},
            {"$set": {"state": "queued"}, "$unset": {"request": ""}},
        )

    def reopen(
        self,
        slot_id: str,
        round: int,
        label_id: str,
        reserved: Reservation | None,
        kept_for: timedelta,
        ahead: int,
    ) -> None:
        kept: Any = None
        if reserved is not None:
            person = literal(reserved.person_id)
            until = from_now(kept_for)
            kept = {"person_id": person, "expert": literal(reserved.expert), "until": until}
        sent_back = {"$ne": ["$rework_of", None]}
        change = {
            "state": "queued",
            "round": {"$add": ["$round", 1]},
            "priority": {"$cond": [sent_back, "$priority", {"$add": ["$priority", ahead]}]},
            "ready_at": "$$NOW",
            "rework_of": literal(label_id),
            "reserved": kept,
            "request": "$$REMOVE",
        }
        here = {"_id": slot_id, "round": round, "state": "submitted"}
        self._slots.update(here, [{"$set": change}])

    def finish(self, task_id: str) -> None:
        submitted = {**of_task(task_id), "state": "submitted"}
        self._slots.update_many(submitted, {"$set": {"state": "done"}})

    def note_drafts(self, slot_id: str, person_id: str) -> None:
        self._slots.update({"_id": slot_id}, {"$addToSet": {"drafts": person_id}})

    def note_requested(self, slot_ids: Collection[str], epoch: int) -> None:
        self._slots.update_many(
            {"_id": {"$in": sorted(slot_ids)}}, {"$set": {"requested_epoch": epoch}}
        )

    def reorder(self, slot_ids: Collection[str], order: Order) -> None:
        known = {"$ne": [{"$ifNull": ["$answer.uncertainty", None]}, None]}
        rank: Mapping[Order, Any] = {
            "random": "$draw",
            "fifo": {"$divide": [{"$toLong": "$opened_at"}, 1000]},
            "uncertainty": {
                "$cond": [known, {"$subtract": [1, "$answer.uncertainty"]}, UNKNOWN_RANK]
            },
        }
        self._slots.update_many(
            {"_id": {"$in": sorted(slot_ids)}}, [{"$set": {"order": order, "rank": rank[order]}}]
        )

    def withdraw(self, task_id: str) -> None:
        here = {**of_task(task_id), "queue": {"$not": {"$regex": f"^{WITHDRAWN}"}}}
        self._slots.update_many(here, [{"$set": {"queue": {"$concat": [WITHDRAWN, "$queue"]}}}])

    def restore(self, task_id: str) -> None:
        there = {**of_task(task_id), "queue": {"$regex": f"^{WITHDRAWN}"}}
        before = {"$substrBytes": ["$queue", len(WITHDRAWN), -1]}
        self._slots.update_many(there, [{"$set": {"queue": before}}])


_LIVING = {"$gt": ["$lease.expires_at", "$$NOW"]}


def of_task(task_id: str) -> dict[str, Any]:
    """The slots of a task."""
    # "/" follows "." in ASCII: every slot of the task and nothing else, by the index on _id.
    return {"_id": {"$gte": f"{task_id}.", "$lt": f"{task_id}/"}}


def _of_person(task_id: str, person_id: str) -> dict[str, Any]:
    # Somebody is among the people where this person is: said so that the partial index serves it.
    return {"task_id": task_id, "people": person_id, "people.0": {"$exists": True}}


def _live(name: LeaseName) -> dict[str, Any]:
    holder = {"state": "leased", "fence": name.fence, "lease.person_id": name.person_id}
    return {**_of_person(name.task_id, name.person_id), **holder, "$expr": _LIVING}


def from_now(duration: timedelta) -> Mapping[str, Any]:
    """So long after now, by the database's clock."""
    return {"$add": ["$$NOW", round(duration.total_seconds() * 1000)]}
