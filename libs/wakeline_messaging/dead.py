"""What the operator does with events that were given up: look, try again, let go."""

from typing import Any, Literal

from pymongo.asynchronous.database import AsyncDatabase

from wakeline_messaging.decided import Decision, note
from wakeline_messaging.envelope import MalformedRecordError, from_document
from wakeline_messaging.processing import another_try
from wakeline_messaging.unit_of_work import UnitOfWork

Trouble = Literal["dead", "waiting", "parked"]


class NoSuchEventError(Exception):
    """There is no such event among the dead, waiting or parked ones."""

    code = "no-such-event"


class NotNextError(Exception):
    """Events of its stream that are still here stand before this one."""

    code = "not-next"


class NotAnEventError(Exception):
    """A dead record that never was an event: no further try makes it one."""

    code = "not-an-event"


class TroubledEvents:
    """The events of one service that are not simply handled."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]]) -> None:
        self._database = database

    async def list(
        self, kind: Trouble, after: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """A page of events in order of their id, without their data."""
        bound = {"_id": {"$gt": after}} if after else {}
        cursor = self._database[kind].find(bound, {"data": 0}, sort=[("_id", 1)], limit=limit)
        return await cursor.to_list()

    async def show(self, kind: Trouble, row_id: str) -> dict[str, Any]:
        """One event with its data and its cause."""
        row = await self._database[kind].find_one({"_id": row_id})
        if row is None:
            raise NoSuchEventError(f"no {kind} event {row_id}")
        return row


async def retry(uow: UnitOfWork[Any], row_id: str, decision: Decision) -> None:
    """Try a dead event again; those parked behind it follow in sequence.

    Raises
    ------
    NoSuchEventError
    NotAnEventError
    """
    row = await _dead(uow, row_id)
    try:
        from_document(row)
    except MalformedRecordError as error:
        raise NotAnEventError(
            f"{row_id} never was an event, so trying again cannot help: "
            f"see who else writes to {row['topic']}, and discard it"
        ) from error
    note(uow, decision, "retry-event", row_id, row)
    again = row | {"reason": "failed", "tries": 0, "next_try": uow.now}
    # An event that had waited is past its mark: it only has to be looked at again.
    if row.get("waited"):
        again["name"] = another_try(row_id)
    home = "waiting" if row.get("waited") else "parked"
    uow.collection(home).replace({"_id": row_id}, again, upsert=True)
    uow.collection("dead").delete({"_id": row_id})


async def discard(uow: UnitOfWork[Any], row_id: str, decision: Decision) -> None:
    """Let a dead event go for good; those parked behind it follow in sequence.

    Raises
    ------
    NoSuchEventError
    """
    row = await _dead(uow, row_id)
    note(uow, decision, "discard-event", row_id, row)
    if row["sequence"] > 0:  # a record that was no event has no place in any stream
        uow.collection("marks").update(
            {"_id": row["stream"]}, {"$max": {"sequence": row["sequence"]}}, upsert=True
        )
    uow.collection("parked").delete({"_id": row_id})
    uow.collection("dead").delete({"_id": row_id})


async def skip(uow: UnitOfWork[Any], row_id: str, decision: Decision) -> None:
    """Give up what is lost before a parked event: it and those behind it follow in sequence.

    Raises
    ------
    NoSuchEventError
        If no event is parked under this id.
    NotNextError
        If not all that it waits for is lost: an earlier event of its stream is dead or parked.
    """
    parked, marks = uow.collection("parked"), uow.collection("marks")
    row = await parked.find_one({"_id": row_id})
    if row is None:
        raise NoSuchEventError(f"there is no parked event {row_id}")
    first = await parked.find_one({"stream": row["stream"]}, sort=[("sequence", 1)])
    assert first is not None
    if first["_id"] != row_id or row["reason"] != "early":
        raise NotNextError(
            f"{first['_id']} stands before it, and is {first['reason']}: deal with that"
        )
    mark = await marks.find_one({"_id": row["stream"]})
    first_lost, last_lost = 1 + (mark["sequence"] if mark else 0), row["sequence"] - 1
    if first_lost <= last_lost:  # else they were given up before
        lost = {"stream": row["stream"], "first": first_lost, "last": last_lost}
        note(uow, decision, "skip-lost", row_id, lost)
        marks.update({"_id": row["stream"]}, {"$set": {"sequence": last_lost}}, upsert=True)


async def _dead(uow: UnitOfWork[Any], row_id: str) -> dict[str, Any]:
    row = await uow.collection("dead").find_one({"_id": row_id})
    if row is None:
        raise NoSuchEventError(f"there is no dead event {row_id}")
    return row
