"""The queue: one document a slot, and every step of a lease one atomic change of one document.

Leases are told the time by the database (``$$NOW``): processes whose clocks differ cannot both
hold one.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo.errors import DuplicateKeyError

from wakeline_labeling.domain.names import LeaseName, slot_id
from wakeline_labeling.domain.queueing import UNKNOWN_RANK
from wakeline_labeling.domain.queues import Claim, Queue, Waiting
from wakeline_labeling.domain.records import WAITING, Answer, Order, Reservation, Slot
from wakeline_labeling.domain.selection import Candidate, Stratum
from wakeline_labeling.ports import RequestRepeatedError, SeenBeforeError
from wakeline_labeling.store.documents import document_of, literal, maybe, record_of, records_of
from wakeline_storage import BufferedCollection, Document

IN_ORDER = [("priority", -1), ("rank", 1), ("_id", 1)]
BY_ORDER, BY_DRAW = "queue_order", "queue_draws"
"""How a queue is sorted, and the indexes of ``migrations`` that serve it without a sort. They are
named to MongoDB, which tries others from time to time: with a million slots that is felt."""
BY_PERSON, REQUESTS, OWN = "one_slot_a_person", "requests", "own_benchmarks"
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
        rows = await self._slots.find(_of(task_id))
        return sorted(records_of(Slot, rows), key=lambda slot: slot.number)

    async def of_tasks(self, task_ids: Collection[str]) -> dict[str, list[Slot]]:
        ids = [slot_id(task, number) for task in task_ids for number in range(MOST_OPENED)]
        found: dict[str, list[Slot]] = {task: [] for task in task_ids}
        for slot in records_of(Slot, await self._slots.find({"_id": {"$in": ids}})):
            found[slot.task_id].append(slot)
        return {task: sorted(slots, key=lambda slot: slot.number) for task, slots in found.items()}

    async def candidates(
        self, queue: Queue, limit: int, within: Stratum | None = None
    ) -> list[Candidate]:
        wanted = _open_to(queue)
        if within is not None:
            wanted["draw"] = {"$gte": within.low, "$lt": within.high}
        rows = await self._slots.find(
            wanted,
            {"priority": 1, "counts": 1},
            sort=None if within else IN_ORDER,
            limit=limit,
            hint=BY_DRAW if within else BY_ORDER,
        )
        return [Candidate(row["_id"], row["priority"], row["counts"]) for row in rows]

    async def front(self, queue: str, limit: int) -> list[Waiting]:
        kept = {"$cond": [{"$gt": ["$reserved.until", "$$NOW"]}, "$reserved", None]}
        rows = await self._slots.find(
            {"queue": queue, "state": "queued", "$expr": {"$lte": ["$ready_at", "$$NOW"]}},
            {"excluded": 1, "reserved": kept},
            sort=IN_ORDER,
            limit=limit,
            hint=BY_ORDER,
        )
        return [_waiting(row) for row in rows]

    async def queued(self, queue: str, limit: int = 0) -> int:
        return await self._slots.count({"queue": queue, "state": "queued"}, limit=limit)

    async def claim_first(self, claim: Claim) -> Slot | None:
        try:
            row = await self._slots.find_one_and_update(
                _open_to(claim.queue), _leased(claim), sort=IN_ORDER, hint=BY_ORDER
            )
        except DuplicateKeyError as error:
            raise await self._refusal(claim, error.details or {}) from error
        return maybe(Slot, row)

    async def claim_all(self, claims: Sequence[Claim]) -> list[Slot | Exception | None]:
        if len(claims) == 1:  # whoever asks alone needs one round trip, where many need two
            return [await self._claim_named(claims[0])]
        changes = [(_named(claim), _leased(claim)) for claim in claims]
        refused = await self._slots.update_each(changes)
        rows = await self._slots.find({"_id": {"$in": [claim.slot_id for claim in claims]}})
        leased = {row["request"]: row for row in rows if row["state"] == "leased"}
        return [
            await self._refusal(claim, refused[place])
            if place in refused
            else maybe(Slot, leased.get(claim.request))
            for place, claim in enumerate(claims)
        ]

    async def _claim_named(self, claim: Claim) -> Slot | Exception | None:
        try:
            row = await self._slots.find_one_and_update(_named(claim), _leased(claim))
        except DuplicateKeyError as error:
            return await self._refusal(claim, error.details or {})
        return maybe(Slot, row)

    async def _refusal(self, claim: Claim, duplicate: Mapping[str, Any]) -> Exception:
        """Why a unique index forbids a claim."""
        if "request" in duplicate.get("keyPattern", {}):
            return RequestRepeatedError(claim.request)
        if "_id" in duplicate.get("keyPattern", {}):
            return SeenBeforeError(claim.slot_id)  # by their own slot of a benchmark
        task_id = duplicate["keyValue"]["task_id"]
        await self._exclude(task_id, claim.queue.labeler.person_id)
        return SeenBeforeError(task_id)

    async def waiting_for(self, claim: Claim) -> Slot | None:
        return maybe(Slot, await self._slots.find_one(_named(claim)))

    async def claim_own(self, claim: Claim, own: Slot) -> Slot:
        theirs = {"$ne": claim.queue.labeler.person_id}
        here = {"_id": own.id, "state": "queued", "excluded": theirs}
        # What a return or the end of its time has put back is leased as it is.
        new = {"$eq": [{"$type": "$fence"}, "missing"]}
        made = {"$replaceWith": {"$cond": [new, literal(document_of(own)), "$$ROOT"]}}
        try:
            row = await self._slots.find_one_and_update(here, [made, *_leased(claim)], upsert=True)
        except DuplicateKeyError as error:
            raise await self._refusal(claim, error.details or {}) from error
        assert row is not None  # an upsert
        return record_of(Slot, row)

    async def had_of(self, own_queue: str, person_id: str) -> set[str]:
        # With the arm: only so MongoDB sees that the partial index holds whatever it looks for.
        theirs = {"arm": "benchmark", "queue": own_queue}
        had = {"$or": [{"state": {"$ne": "queued"}}, {"excluded": person_id}]}
        rows = await self._slots.find({**theirs, **had}, {"task_id": 1}, hint=OWN)
        return {row["task_id"] for row in rows}

    async def requested(self, request: str) -> Slot | None:
        # With the type: only so MongoDB sees that the partial index holds whatever it looks for.
        named = {"request": {"$eq": request, "$type": "string"}}
        return maybe(Slot, await self._slots.find_one(named))

    async def requested_all(self, requests: Sequence[str]) -> list[Slot]:
        named = {"request": {"$in": list(requests), "$type": "string"}}
        rows = await self._slots.find(named, hint=REQUESTS)
        rows.sort(key=lambda row: requests.index(row["request"]))
        return records_of(Slot, rows)

    async def exclude_from_siblings(self, slot: Slot, person_id: str) -> None:
        await self._exclude(slot.task_id, person_id)

    async def _exclude(self, task_id: str, person_id: str) -> None:
        theirs_not = {"people": {"$ne": person_id}, "state": {"$in": ["queued", "held"]}}
        change = {"$addToSet": {"excluded": person_id}}
        self._slots.update_many({**_of(task_id), **theirs_not}, change)
        await self._slots.flush()

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
            [{"$set": {"lease.expires_at": _from_now(by)}}],
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
        not_later = {**_of(task_id), "answer.epoch": {"$lte": answer.epoch}}
        self._slots.update_many(not_later, [{"$set": change}])

    def unhold(self, task_id: str, seen_by: str) -> None:
        self._slots.update_many(
            {**_of(task_id), "state": "held"},
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
            until = _from_now(kept_for)
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
        self._slots.update_many({**_of(task_id), "state": "submitted"}, {"$set": {"state": "done"}})

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
        here = {**_of(task_id), "queue": {"$not": {"$regex": f"^{WITHDRAWN}"}}}
        self._slots.update_many(here, [{"$set": {"queue": {"$concat": [WITHDRAWN, "$queue"]}}}])

    def restore(self, task_id: str) -> None:
        there = {**_of(task_id), "queue": {"$regex": f"^{WITHDRAWN}"}}
        before = {"$substrBytes": ["$queue", len(WITHDRAWN), -1]}
        self._slots.update_many(there, [{"$set": {"queue": before}}])


_LIVING = {"$gt": ["$lease.expires_at", "$$NOW"]}


def _of(task_id: str) -> dict[str, Any]:
    # "/" follows "." in ASCII: every slot of the task and nothing else, by the index on _id.
    return {"_id": {"$gte": f"{task_id}.", "$lt": f"{task_id}/"}}


def _of_person(task_id: str, person_id: str) -> dict[str, Any]:
    # Somebody is among the people where this person is: said so that the partial index serves it.
    return {"task_id": task_id, "people": person_id, "people.0": {"$exists": True}}


def _live(name: LeaseName) -> dict[str, Any]:
    holder = {"state": "leased", "fence": name.fence, "lease.person_id": name.person_id}
    return {**_of_person(name.task_id, name.person_id), **holder, "$expr": _LIVING}


def _from_now(duration: timedelta) -> Mapping[str, Any]:
    return {"$add": ["$$NOW", round(duration.total_seconds() * 1000)]}


def _waiting(row: Document) -> Waiting:
    kept = row["reserved"] or {}
    return Waiting(
        slot_id=row["_id"],
        excluded=frozenset(row["excluded"]),
        reserved_for=kept.get("person_id"),
        for_experts=bool(kept.get("expert")),
    )


def _open_to(queue: Queue) -> dict[str, Any]:
    """What a person may lease from a queue now."""
    person_id, _, expert, only_expert = queue.labeler
    for_them: list[Any] = [
        # True also without a reservation: what is missing sorts before every date.
        {"$lte": ["$reserved.until", "$$NOW"]},
        {"$eq": ["$reserved.person_id", literal(person_id)]},
    ]
    if expert:
        for_them.append("$reserved.expert")
    wanted: dict[str, Any] = {
        "queue": queue.name,
        "state": "queued",
        "excluded": {"$ne": person_id},
        "$expr": {"$and": [{"$lte": ["$ready_at", "$$NOW"]}, {"$or": for_them}]},
    }
    if only_expert:
        wanted["reserved.expert"] = True
    return wanted


def _named(claim: Claim) -> dict[str, Any]:
    """The slot that a claim names, if the person may lease it now."""
    return {**_open_to(claim.queue), "_id": claim.slot_id}


def _leased(claim: Claim) -> list[Document]:
    labeler = claim.queue.labeler
    person = literal(labeler.person_id)
    following = {"$add": ["$fence", 1]}
    lease = {
        "person_id": person,
        "team_id": literal(labeler.team_id),
        "fence": following,
        "leased_at": "$$NOW",
        "expires_at": _from_now(claim.lasts),
        "p_selected": literal(claim.probability),
        "pin": {"$ifNull": ["$answer.pin", None]},
        "submitted_at": None,
    }
    return [
        {
            "$set": {
                "state": "leased",
                "fence": following,
                "people": {"$setUnion": ["$people", [person]]},
                "request": literal(claim.request),
                "lease": lease,
            }
        }
    ]
