"""Reviews, drafts and actions in MongoDB; a lease's time is the database's, never a process's."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo.errors import DuplicateKeyError

from wakeline_events.base import AssetId, LabelId, PersonId, ProjectId, StageId, TaskId
from wakeline_geometry.reliability import Vote
from wakeline_geometry.shapes import Annotation
from wakeline_review.domain.records import Action, Review
from wakeline_review.domain.votes import said
from wakeline_storage import BufferedCollection, Document

LIVE = {"$expr": {"$gt": ["$lease.expires_at", "$$NOW"]}}
_BACK: dict[str, Any] = {"$set": {"state": "pending", "lease": None, "request": None}}
OVER = {"$expr": {"$lte": ["$lease.expires_at", "$$NOW"]}}
LEASES, QUEUE = "leases", "queue"
"""The indexes of what is leased, by its end, and of what waits, without what is withdrawn."""


class MongoReviews:
    """One row a label; ``stage_id``, ``task_id`` and ``labeler`` stand beside it for the queue."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    async def get(self, label_id: LabelId) -> Review | None:
        """The review of a label."""
        row = await self._rows.find_one({"_id": label_id})
        return _review(row) if row else None

    async def of_task(self, task_id: TaskId) -> list[Review]:
        """All reviews of a task."""
        rows = await self._rows.find({"task_id": task_id}, sort=[("_id", 1)])
        return [_review(row) for row in rows]

    async def lease_next(
        self, stage_id: StageId, person_id: PersonId, length: timedelta, request: str
    ) -> Review | None:
        """Lease a review whose lease is over, or else the oldest that waits: in one write.

        The other way round, what somebody left lying would wait for as long as labels come.

        Parameters
        ----------
        request : names the lease; sent again it gets what it got, whatever has become of that
        """
        person = {"$literal": person_id}
        mine: dict[str, Any] = {
            "stage_id": stage_id,
            "labeler": {"$ne": person_id},
            "withdrawn": {"$in": [False, None]},  # None: a row of the release before
            "$and": [_not_skipped_by(person)],
        }
        lease = {
            "lease_id": {"$concat": ["$_id", ".", {"$toString": {"$add": ["$fence", 1]}}]},
            "person_id": person,
            "expires_at": {"$add": ["$$NOW", _ms(length)]},
        }
        change = {
            "state": "leased",
            "fence": {"$add": ["$fence", 1]},
            "lease": lease,
            "request": request,
            "reviewers": {"$setUnion": [{"$ifNull": ["$reviewers", []]}, [person]]},
        }
        waiting, left = {"state": "pending"}, {"state": "leased"} | OVER
        for available, first, hint in (
            (left, "lease.expires_at", LEASES),
            (waiting, "opened_at", QUEUE),
        ):
            try:
                row = await self._rows.find_one_and_update(
                    mine | available, [{"$set": change}], sort=[(first, 1)], hint=hint
                )
            except DuplicateKeyError:
                break
            if row is not None:
                return _review(row)
        # A request that came before is met here and not first: almost none did. With the type:
        # only so MongoDB sees that the partial index holds whatever it looks for.
        row = await self._rows.find_one({"request": {"$eq": request, "$type": "string"}})
        return _review(row) if row else None

    async def held(
        self, person_id: PersonId, label_ids: Collection[LabelId] | None = None
    ) -> list[Review]:
        """The reviews of a person's living leases; of these labels only, if some are named."""
        wanted = {"state": "leased", "lease.person_id": person_id} | LIVE
        if label_ids is not None:
            wanted["_id"] = {"$in": sorted(label_ids)}
        rows = await self._rows.find(wanted, sort=[("lease.expires_at", 1), ("_id", 1)])
        return [_review(row) for row in rows]

    async def live(self, lease_id: str, person_id: PersonId) -> Review | None:
        """The review of a lease that is this person's and not over."""
        row = await self._rows.find_one(_held(lease_id, person_id))
        return _review(row) if row else None

    async def extend(self, lease_id: str, person_id: PersonId, length: timedelta) -> bool:
        """Let a live lease end later."""
        later = [{"$set": {"lease.expires_at": {"$add": ["$$NOW", _ms(length)]}}}]
        row = await self._rows.find_one_and_update(_held(lease_id, person_id), later)
        return row is not None

    async def give_back(self, lease_id: str, person_id: PersonId) -> bool:
        """End a live lease without a verdict."""
        row = await self._rows.find_one_and_update(_held(lease_id, person_id), _BACK)
        return row is not None

    async def skip(self, lease_id: str, person_id: PersonId, length: timedelta) -> bool:
        """End a live lease without a verdict, and keep the review from this person for so long."""
        skip = {"person_id": {"$literal": person_id}, "until": {"$add": ["$$NOW", _ms(length)]}}
        skips = {"skips": {"$concatArrays": [_OF_NOW, [skip]]}}
        back: list[dict[str, Any]] = [_BACK, {"$set": skips}]
        row = await self._rows.find_one_and_update(_held(lease_id, person_id), back)
        return row is not None

    async def release(
        self, project_id: ProjectId, stage_id: StageId | None, person_id: PersonId
    ) -> int:
        """End a person's leases in a project, or in one of its stages; how many there were."""
        held = {"state": "leased", "lease.person_id": person_id, "project_id": project_id}
        if stage_id is not None:
            held["stage_id"] = stage_id
        ids = [row["_id"] for row in await self._rows.find(held, {"_id": 1})]
        self._rows.update_many({"_id": {"$in": ids}}, _BACK)
        return len(ids)

    async def page(
        self, project_id: ProjectId, stage: str | None, after: LabelId | None, limit: int
    ) -> Sequence[Review]:
        """Reviews of a project in order of their label's id."""
        wanted: dict[str, Any] = {"project_id": project_id}
        if stage is not None:
            wanted["stage_id"] = f"{project_id}/{stage}"
        if after is not None:
            wanted["_id"] = {"$gt": after}
        return [_review(r) for r in await self._rows.find(wanted, sort=[("_id", 1)], limit=limit)]

    async def counting(
        self, asset_id: AssetId | None, after: LabelId, limit: int
    ) -> Sequence[Review]:
        """Reviews of the labels that count for their tasks, by their id behind ``after``."""
        wanted: dict[str, Any] = {
            "_id": {"$gt": after},
            "state": "merged",
            # Of several labels of a task one counts, and the others name it; the only label of a
            # task named nothing in an earlier release.
            "$or": [
                {"$expr": {"$eq": ["$counts_as", "$_id"]}},
                {"counts_as": None, "n_labels": 1},
            ],
        }
        if asset_id is not None:
            wanted["label.asset_id"] = asset_id
        return [_review(r) for r in await self._rows.find(wanted, sort=[("_id", 1)], limit=limit)]

    async def votes(self, stage_id: StageId, limit: int) -> list[Vote]:
        """What each of the last labels of several people said of its whole image."""
        rows = await self._rows.find(
            {"stage_id": stage_id, "state": "merged", "n_labels": {"$gt": 1}},
            {"label.task_id": 1, "label.person_id": 1, "label.annotations.items": 1},
            sort=[("opened_at", -1)],
            limit=limit,
        )
        found = []
        for row in rows:
            label = row["label"]
            items = [Annotation.model_validate(i) for i in label["annotations"]["items"] or ()]
            if (statement := said(items)) is not None:
                found.append(Vote(label["task_id"], label["person_id"], statement.class_name))
        return found

    async def counts(self, stage_id: StageId) -> dict[str, int]:
        """How many reviews of a stage are in each state; ``withdrawn`` is what would be pending."""
        waits = {"$and": ["$withdrawn", {"$eq": ["$state", "pending"]}]}
        state = {"$cond": [waits, "withdrawn", "$state"]}
        rows = await self._rows.aggregate(
            [
                {"$match": {"stage_id": stage_id}},
                {"$group": {"_id": state, "count": {"$sum": 1}}},
            ]
        )
        return {row["_id"]: row["count"] for row in rows}

    def put(self, review: Review) -> None:
        """Store a review."""
        self._rows.replace({"_id": review.id}, _document(review), upsert=True)

    def put_withdrawn(self, asset_id: AssetId, *, withdrawn: bool) -> None:
        """Say of all reviews of an image whether it is to be had."""
        of_asset = {"label.asset_id": asset_id}
        self._rows.update_many(of_asset, {"$set": {"withdrawn": withdrawn}})


class MongoActions:
    """One row a time that a manager ended somebody's leases."""

    def __init__(self, rows: BufferedCollection) -> None:
        self._rows = rows

    async def page(self, project_id: ProjectId, before: str | None, limit: int) -> list[Action]:
        """Those of a project, the newest first, from before this one on."""
        wanted: dict[str, Any] = {"project_id": project_id}
        wanted |= {"_id": {"$lt": before}} if before else {}
        rows = await self._rows.find(wanted, sort=[("_id", -1)], limit=limit)
        return [Action.model_validate(row | {"id": row["_id"]}) for row in rows]

    def put(self, action: Action) -> None:
        """Keep what was done."""
        self._rows.insert({"_id": action.id, **action.model_dump(exclude={"id"})})


class MongoDrafts:
    """One row a label and person."""

    def __init__(self, rows: BufferedCollection, now: datetime) -> None:
        self._rows = rows
        self._now = now

    def put(self, label_id: LabelId, person_id: PersonId, work: dict[str, Any]) -> None:
        """Keep work that came too late."""
        row = {"_id": f"{label_id}|{person_id}", "work": work, "at": self._now}
        self._rows.replace({"_id": row["_id"]}, row, upsert=True)

    async def get(self, label_id: LabelId, person_id: PersonId) -> dict[str, Any] | None:
        """The work of a person on a label, if any was kept."""
        row = await self._rows.find_one({"_id": f"{label_id}|{person_id}"})
        return row["work"] if row else None

    def delete(self, label_id: LabelId, person_id: PersonId) -> None:
        """Forget the work of a person on a label."""
        self._rows.delete({"_id": f"{label_id}|{person_id}"})


def _held(lease_id: str, person_id: PersonId) -> dict[str, Any]:
    return {
        "state": "leased",
        "lease.lease_id": lease_id,
        "lease.person_id": person_id,
    } | LIVE


_OF_NOW: dict[str, Any] = {
    "$filter": {
        "input": {"$ifNull": ["$skips", []]},
        "cond": {"$gt": ["$$this.until", "$$NOW"]},
    }
}
"""The skips of a review that keep it from somebody now."""


def _not_skipped_by(person: dict[str, Any]) -> dict[str, Any]:
    people = {"$map": {"input": _OF_NOW, "in": "$$this.person_id"}}
    return {"$expr": {"$not": [{"$in": [person, people]}]}}


def _ms(length: timedelta) -> int:
    return int(length.total_seconds() * 1000)


def _document(review: Review) -> Document:
    label = review.label
    # What the label's event said is stored as it came: writing it out again took the longest.
    rest = {"label", "opened_at", "decided_at", "lease", "skips"}
    return review.model_dump(mode="json", exclude=rest) | {
        "label": label.plain,
        "_id": review.id,
        "stage_id": label.stage_id,
        "project_id": label.project_id,
        "task_id": label.task_id,
        # Nobody judges a label of their own, nor one that lies beside it.
        "labeler": [person for _, person in review.members] or label.person_id,
        "opened_at": review.opened_at,
        "decided_at": review.decided_at,
        "lease": review.lease.model_dump() if review.lease else None,
        "skips": [skip.model_dump() for skip in review.skips],
    }


def _review(row: Document) -> Review:
    return Review.model_validate(row)
