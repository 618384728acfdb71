"""What the operator does with jobs: look, try again those that were given up, let them go."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Literal

from pymongo.asynchronous.database import AsyncDatabase

from wakeline_messaging.decided import Decision, note
from wakeline_messaging.unit_of_work import UnitOfWork

JobState = Literal["queued", "running", "failed"]
"""A job that is done leaves no row."""


class NoSuchJobError(Exception):
    """There is no such job, or it was not given up."""

    code = "no-such-job"


class JobSettledError(Exception):
    """What asked for the job was told that it failed, and has ended."""

    code = "job-settled"


class JobRows:
    """The jobs of one service.

    Parameters
    ----------
    settled
        Kinds whose failure ended what asked for them: trying again would change nothing.
    """

    def __init__(
        self, database: AsyncDatabase[dict[str, Any]], settled: Collection[str] = ()
    ) -> None:
        self._rows = database["jobs"]
        self._settled = settled

    async def list(
        self, state: JobState, after: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """A page of jobs in order of their id, without what they are to work on."""
        wanted: dict[str, Any] = {"state": state}
        if state == "failed":
            wanted["failed_at"] = {"$gt": datetime(1970, 1, 1, tzinfo=UTC)}  # for its index
        if after:
            wanted["_id"] = {"$gt": after}
        cursor = self._rows.find(wanted, {"payload": 0}, sort=[("_id", 1)], limit=limit)
        return await cursor.to_list()

    async def show(self, row_id: str) -> dict[str, Any]:
        """One job, with what it is to work on.

        Raises
        ------
        NoSuchJobError
        """
        row = await self._rows.find_one({"_id": row_id})
        if row is None:
            raise NoSuchJobError(f"there is no job {row_id}")
        return row

    async def retry(self, uow: UnitOfWork[Any], row_id: str, decision: Decision) -> None:
        """Run a job that was given up again, with all of its attempts.

        Raises
        ------
        NoSuchJobError
        JobSettledError
        """
        row = await _given_up(uow, row_id)
        if row["kind"] in self._settled:
            raise JobSettledError(
                f"who asked for {row_id} was told that it failed: ask for that anew, and discard it"
            )
        note(uow, decision, "retry-job", row_id, row)
        anew = {"state": "queued", "attempt": 0, "owner": None, "not_before": "$$NOW"}
        uow.collection("jobs").update({"_id": row_id}, [{"$set": anew}, {"$unset": "failed_at"}])

    async def discard(self, uow: UnitOfWork[Any], row_id: str, decision: Decision) -> None:
        """Forget a job that was given up; what asks for it again gets it.

        Raises
        ------
        NoSuchJobError
        """
        note(uow, decision, "discard-job", row_id, await _given_up(uow, row_id))
        uow.collection("jobs").delete({"_id": row_id})


async def _given_up(uow: UnitOfWork[Any], row_id: str) -> dict[str, Any]:
    row = await uow.collection("jobs").find_one({"_id": row_id, "state": "failed"})
    if row is None:
        raise NoSuchJobError(f"no job {row_id} was given up")
    return row
