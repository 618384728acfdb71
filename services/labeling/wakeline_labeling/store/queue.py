"""The queue of slots: who may have which, and leases that are taken from it in one write each."""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.errors import DuplicateKeyError

from wakeline_labeling.domain.queues import Claim, Queue, Waiting
from wakeline_labeling.domain.records import Slot
from wakeline_labeling.domain.selection import Candidate, Stratum
from wakeline_labeling.ports import RequestRepeatedError, SeenBeforeError
from wakeline_labeling.store.documents import document_of, literal, maybe, record_of, records_of
from wakeline_labeling.store.slots import IN_ORDER, from_now, of_task
from wakeline_storage import BufferedCollection, Document

BY_ORDER, BY_DRAW = "queue_order", "queue_draws"
"""The indexes of ``migrations`` that serve a queue without a sort. They are named to MongoDB,
which tries others from time to time: with a million slots that is felt."""
REQUESTS, OWN = "requests", "own_benchmarks"


class MongoSlotQueue:
    """The collection ``slots``, to whoever wants one."""

    def __init__(self, slots: BufferedCollection) -> None:
        self._slots = slots

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
        self._slots.update_many({**of_task(task_id), **theirs_not}, change)
        await self._slots.flush()


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
        "expires_at": from_now(claim.lasts),
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
