"""Routes for the operator that every service has: dead, waiting and parked events."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from pydantic import BaseModel

from wakeline_auth import Permission, Principal
from wakeline_events.base import ServiceName
from wakeline_http import Page, Router, problems, require
from wakeline_messaging import NoSuchEventError, TroubledEvents, outbox_depth
from wakeline_messaging.dead import Trouble
from wakeline_process.runtime import Runtime

Operator = Annotated[Principal, Depends(require(Permission.OPERATE))]


class TroubledEvent(BaseModel):
    """An event that is not simply handled."""

    id: str
    topic: str
    key: str
    sequence: int
    type: str
    since: datetime | None = None
    tries: int = 0
    cause: str | None = None
    name: str | None = None
    """What a waiting event waits for."""
    data: str | None = None


class Backlog(BaseModel):
    """How far a service is behind."""

    outbox_rows: int
    outbox_oldest_seconds: float
    dead: int
    parked: int
    waiting: int
    jobs: dict[str, int]


def _out(row: dict[str, Any]) -> TroubledEvent:
    data = row.get("data")
    return TroubledEvent(
        id=row["_id"],
        topic=row["topic"],
        key=row["key"],
        sequence=row["sequence"],
        type=row["type"],
        since=row.get("since"),
        tries=row.get("tries", 0),
        cause=row.get("cause"),
        name=row.get("name"),
        data=bytes(data).decode(errors="replace") if data is not None else None,
    )


def operations_router(service: ServiceName) -> Router:
    """The operator's routes of one service."""
    router = Router(prefix=f"/v1/operations/{service}", tags=["operations"])

    def events(request: Request) -> TroubledEvents:
        runtime: Runtime = request.app.state.runtime
        return TroubledEvents(runtime.database, runtime.stores)

    Events = Annotated[TroubledEvents, Depends(events)]  # noqa: N806

    @router.get("/backlog")
    async def read_backlog(operator: Operator, request: Request) -> Backlog:
        """How much waits in this service: to be sent, handled, or looked at by a person."""
        database = request.app.state.runtime.database
        rows, age = await outbox_depth(database)
        counted = await database["jobs"].aggregate(
            [{"$group": {"_id": "$state", "n": {"$sum": 1}}}]
        )
        return Backlog(
            outbox_rows=rows,
            outbox_oldest_seconds=age,
            dead=await database["dead"].count_documents({}),
            parked=await database["parked"].count_documents({}),
            waiting=await database["waiting"].count_documents({}),
            jobs={row["_id"]: row["n"] async for row in counted},
        )

    @router.get("/events/{kind}")
    async def list_events(
        kind: Trouble, operator: Operator, found: Events, cursor: str | None = None
    ) -> Page[TroubledEvent]:
        """A page of dead, waiting or parked events, without their data."""
        rows = await found.list(kind, cursor, 100)
        return Page(
            items=[_out(row) for row in rows], next=rows[-1]["_id"] if len(rows) == 100 else None
        )

    @router.get("/event/{kind}", responses=problems(NoSuchEventError))
    async def show_event(
        kind: Trouble, id: str, operator: Operator, found: Events
    ) -> TroubledEvent:
        """One event with its data and its cause."""
        return _out(await found.show(kind, id))

    @router.post("/dead/retry", status_code=204, responses=problems(NoSuchEventError))
    async def retry_dead_event(id: str, operator: Operator, found: Events) -> Response:
        """Try a dead event again; those parked behind it follow in sequence."""
        await found.retry(id)
        return Response(status_code=204)

    @router.post("/dead/discard", status_code=204, responses=problems(NoSuchEventError))
    async def discard_dead_event(id: str, operator: Operator, found: Events) -> Response:
        """Let a dead event go for good; those parked behind it follow in sequence."""
        await found.discard(id)
        return Response(status_code=204)

    return router
