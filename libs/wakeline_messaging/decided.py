"""What operators decided: about events and jobs in trouble, and which state they had said again.

Who, when, why, and what it was. Kept for good, for a hole in the history or in a project, and why
an event came twice, is explained here and nowhere else.
"""

import builtins
from dataclasses import dataclass
from typing import Any, Literal

from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase

from wakeline_messaging.unit_of_work import UnitOfWork

Action = Literal[
    "retry-event", "discard-event", "skip-lost", "retry-job", "discard-job", "republish"
]


class NoSuchOperationError(Exception):
    """No operator decided anything under this id."""

    code = "no-such-operation"


@dataclass(frozen=True)
class Decision:
    """Who decides, and why."""

    by: str
    """The person's id."""
    reason: str | None = None


def note(
    uow: UnitOfWork[Any], decision: Decision, action: Action, subject: str, row: dict[str, Any]
) -> None:
    """Write a decision down, in the transaction of its effect.

    Parameters
    ----------
    subject
        The id of the event or job; of what is said again, the type of its events.
    row
        All of what was tried again or given up, as it was; of lost events, which they are; of what
        is said again, whose it is, how much was said so far, and where it goes on.
    """
    uow.collection("operations").insert(
        {
            "_id": str(ObjectId()),
            "at": uow.now,
            "by": decision.by,
            "reason": decision.reason,
            "action": action,
            "subject": subject,
            "row": row,
        }
    )


class Operations:
    """What was decided in one service."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]]) -> None:
        self._rows = database["operations"]

    async def list(
        self, before: str | None = None, limit: int = 100
    ) -> builtins.list[dict[str, Any]]:
        """A page of them, newest first, without what it was about."""
        bound = {"_id": {"$lt": before}} if before else {}
        cursor = self._rows.find(bound, {"row": 0}, sort=[("_id", -1)], limit=limit)
        return await cursor.to_list()

    async def show(self, operation_id: str) -> dict[str, Any]:
        """One of them, with what it was about.

        Raises
        ------
        NoSuchOperationError
        """
        row = await self._rows.find_one({"_id": operation_id})
        if row is None:
            raise NoSuchOperationError(f"there is no operation {operation_id}")
        return row
