"""What the operator does with events that were given up: look, try again, let go."""

from typing import Any, Literal

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from wakeline_messaging.envelope import MalformedRecordError, from_document
from wakeline_messaging.processing import Stores, another_try
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

    def __init__(self, database: AsyncDatabase[dict[str, Any]], stores: Stores) -> None:
        self._database = database
        self._transactions = stores.transactions
        self._open = stores.open

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

    async def retry(self, row_id: str) -> None:
        """Try a dead event again; those parked behind it follow in sequence.

        Raises
        ------
        NoSuchEventError
        NotAnEventError
        """

        async def body(session: AsyncClientSession) -> None:
            uow = self._open(session)
            row = await self._dead(uow, row_id)
            try:
                from_document(row)
            except MalformedRecordError as error:
                raise NotAnEventError(
                    f"{row_id} never was an event, so trying again cannot help: "
                    f"see who else writes to {row['topic']}, and discard it"
                ) from error
            row |= {"reason": "failed", "tries": 0, "next_try": uow.now}
            # An event that had waited is past its mark: it only has to be looked at again.
            home = "waiting" if row.get("waited") else "parked"
            row |= {"name": another_try(row_id)} if home == "waiting" else {}
            uow.collection(home).replace({"_id": row_id}, row, upsert=True)
            uow.collection("dead").delete({"_id": row_id})
            await uow.write()

        await self._transactions.run(body)

    async def discard(self, row_id: str) -> None:
        """Let a dead event go for good; those parked behind it follow in sequence.

        Raises
        ------
        NoSuchEventError
        """

        async def body(session: AsyncClientSession) -> None:
            uow = self._open(session)
            row = await self._dead(uow, row_id)
            if row["sequence"] > 0:  # a record that was no event has no place in any stream
                uow.collection("marks").update(
                    {"_id": row["stream"]}, {"$max": {"sequence": row["sequence"]}}, upsert=True
                )
            uow.collection("parked").delete({"_id": row_id})
            uow.collection("dead").delete({"_id": row_id})
            await uow.write()

        await self._transactions.run(body)

    async def skip(self, row_id: str) -> None:
        """Give up what is lost before a parked event: it and those behind it follow in sequence.

        Raises
        ------
        NoSuchEventError
            If no event is parked under this id.
        NotNextError
            If not all that it waits for is lost: an earlier event of its stream is dead or parked.
        """

        async def body(session: AsyncClientSession) -> None:
            uow = self._open(session)
            parked = uow.collection("parked")
            row = await parked.find_one({"_id": row_id})
            if row is None:
                raise NoSuchEventError(f"there is no parked event {row_id}")
            first = await parked.find_one({"stream": row["stream"]}, sort=[("sequence", 1)])
            assert first is not None
            if first["_id"] != row_id or row["reason"] != "early":
                raise NotNextError(
                    f"{first['_id']} stands before it, and is {first['reason']}: deal with that"
                )
            uow.collection("marks").update(
                {"_id": row["stream"]}, {"$max": {"sequence": row["sequence"] - 1}}, upsert=True
            )
            await uow.write()

        await self._transactions.run(body)

    async def _dead(self, uow: UnitOfWork[Any], row_id: str) -> dict[str, Any]:
        row = await uow.collection("dead").find_one({"_id": row_id})
        if row is None:
            raise NoSuchEventError(f"there is no dead event {row_id}")
        return row
