"""Exams, and how many leases are out, in MongoDB."""

from datetime import datetime
from typing import Any

from wakeline_labeling.domain import names
from wakeline_labeling.domain.exams import Exam
from wakeline_labeling.store.documents import document_of, maybe, records_of
from wakeline_labeling.store.slots import LEASES_OF_PERSON, LEASES_OF_TEAM
from wakeline_storage import BufferedCollection, Document

_LIVING = {"$gt": ["$lease.expires_at", "$$NOW"]}


class MongoOpenLeases:
    """The leased slots of the collection ``slots``."""

    def __init__(self, slots: BufferedCollection) -> None:
        self._slots = slots

    async def living(self, stage_id: str, person_id: str | None, team_id: str | None) -> list[str]:
        query: dict[str, Any] = {"state": "leased", "stage_id": stage_id, "$expr": _LIVING}
        query |= {"lease.person_id": person_id} if person_id else {"lease.team_id": team_id}
        hint = LEASES_OF_PERSON if person_id else LEASES_OF_TEAM
        rows = await self._slots.find(query, {"lease.leased_at": 1}, hint=hint)
        return [row["_id"] for row in sorted(rows, key=_age)]


class MongoExams:
    """The collection ``exams``."""

    def __init__(self, exams: BufferedCollection, slots: BufferedCollection) -> None:
        self._exams = exams
        self._slots = slots

    async def get(self, stage_id: str, person_id: str) -> Exam | None:
        row = {"_id": names.exam_id(stage_id, person_id)}
        return maybe(Exam, await self._exams.find_one(row))

    async def page(self, stage_id: str, after: str, limit: int) -> list[Exam]:
        wanted = {"stage_id": stage_id, "person_id": {"$gt": after}}
        rows = await self._exams.find(wanted, sort=[("person_id", 1)], limit=limit)
        return records_of(Exam, rows)

    async def count_held(self, stage_id: str, person_id: str) -> int:
        held = {
            "state": "leased",
            "stage_id": stage_id,
            "arm": "benchmark",
            "lease.person_id": person_id,
            "$expr": _LIVING,
        }
        rows = await self._slots.find(held, {"_id": 1}, hint=LEASES_OF_PERSON)
        return len(rows)

    async def begin_again(self, before: Exam, after: Exam) -> None:
        same = {"_id": before.id, "state": before.state, "used": before.used}
        change = {key: value for key, value in document_of(after).items() if key != "_id"}
        await self._exams.find_one_and_update(same, {"$set": change})

    def put(self, exam: Exam) -> None:
        self._exams.replace({"_id": exam.id}, document_of(exam), upsert=True)


def _age(slot: Document) -> tuple[datetime, str]:
    return slot["lease"]["leased_at"], slot["_id"]
