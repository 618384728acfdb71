"""Routes for the operator that every service has: how far it is, events in trouble, replays."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import structlog
from fastapi import Depends, Query, Request, Response

from wakeline_auth import Permission, Principal
from wakeline_events.base import ServiceName
from wakeline_http import Page, Router, problems, require
from wakeline_messaging import (
    Decision,
    JobRows,
    JobSettledError,
    JobState,
    NoSuchEventError,
    NoSuchJobError,
    NoSuchOperationError,
    NotAnEventError,
    NotNextError,
    Operations,
    TopicNotConsumedError,
    TroubledEvents,
    UnitOfWork,
    dead,
    outbox_depth,
    replaying,
)
from wakeline_messaging.dead import Trouble
from wakeline_process.backlog import BacklogError, NotBehind
from wakeline_process.commands import Command, command
from wakeline_process.operations import models
from wakeline_process.operations.models import (
    Backlog,
    Done,
    JobOut,
    Operation,
    Replay,
    ReplayAsked,
    ReplayIn,
    Republished,
    RepublishIn,
    TroubledEvent,
)
from wakeline_process.republishing import NoStateError, republish
from wakeline_process.runtime import Runtime
from wakeline_process.standing import Standings

log = structlog.get_logger()

Operator = Annotated[Principal, Depends(require(Permission.OPERATE))]
Reader = Annotated[Principal, Depends(require(Permission.READ_LINEAGE))]
"""May read every event that was published, and so what became of one that was given up."""


async def _oldest(database: Any) -> dict[Trouble, float]:
    kinds: tuple[Trouble, ...] = ("dead", "parked", "waiting")
    ages: dict[Trouble, float] = {}
    for kind in kinds:
        dated = {"since": {"$exists": True}}
        first = await database[kind].find_one(dated, {"since": 1}, sort=[("since", 1)])
        if first is not None:
            ages[kind] = max(0.0, (datetime.now(UTC) - first["since"]).total_seconds())
    return ages


class _Deciding:
    """Carries out what an operator decides, once for an ``Idempotency-Key``, and notes it."""

    def __init__(
        self,
        operator: Operator,
        command: Annotated[Command[UnitOfWork[Any]], Depends(command)],
        reason: Annotated[str | None, Query(min_length=1, max_length=1_000)] = None,
    ) -> None:
        self._decision = Decision(operator.person_id, reason)
        self._command = command

    async def run(
        self, decided: Callable[[UnitOfWork[Any], str, Decision], Awaitable[None]], subject: str
    ) -> Response:
        async def body(uow: UnitOfWork[Any]) -> Done:
            await decided(uow, subject, self._decision)
            return Done()

        await self._command.run(body, Done)
        log.info("operator decided", what=decided.__name__, subject=subject, by=self._decision.by)
        return Response(status_code=204)


Deciding = Annotated[_Deciding, Depends()]


def operations_router(service: ServiceName) -> Router:
    """The operator's routes of one service."""
    router = Router(prefix=f"/v1/operations/{service}", tags=["operations"])

    def events(request: Request) -> TroubledEvents:
        runtime: Runtime = request.app.state.runtime
        return TroubledEvents(runtime.database)

    Events = Annotated[TroubledEvents, Depends(events)]  # noqa: N806

    def job_rows(request: Request) -> JobRows:
        runtime: Runtime = request.app.state.runtime
        kinds = runtime.service.jobs.kinds if runtime.service.jobs is not None else {}
        settled = [name for name, kind in kinds.items() if kind.failed is not None]
        return JobRows(runtime.database, settled)

    OfJobs = Annotated[JobRows, Depends(job_rows)]  # noqa: N806

    @router.get("/backlog")
    async def read_backlog(operator: Operator, request: Request) -> Backlog:
        """How much waits in this service: to be sent, handled, or looked at by a person."""
        database = request.app.state.runtime.database
        rows, age = await outbox_depth(database)
        counted = await database["jobs"].aggregate(
            [{"$group": {"_id": "$state", "n": {"$sum": 1}}}]
        )
        standings: Standings = request.app.state.standings
        standing = await standings.now()
        return Backlog(
            outbox_rows=rows,
            outbox_oldest_seconds=age,
            dead=await database["dead"].count_documents({}),
            parked=await database["parked"].count_documents({}),
            waiting=await database["waiting"].count_documents({}),
            oldest_seconds=await _oldest(database),
            jobs={row["_id"]: row["n"] async for row in counted},
            lag=standing.lag if standing else None,
            taken_in=standing.taken_in if standing else None,
            published=standing.published if standing else None,
        )

    @router.get("/events/{kind}")
    async def list_events(
        kind: Trouble, operator: Operator, found: Events, cursor: str | None = None
    ) -> Page[TroubledEvent]:
        """A page of dead, waiting or parked events, without their data."""
        rows = await found.list(kind, cursor, 100)
        return Page(
            items=[models.troubled_event(row) for row in rows],
            next=rows[-1]["_id"] if len(rows) == 100 else None,
        )

    @router.get("/event/{kind}", responses=problems(NoSuchEventError))
    async def show_event(
        kind: Trouble, id: str, operator: Operator, found: Events
    ) -> TroubledEvent:
        """One event with its data and its cause."""
        return models.troubled_event(await found.show(kind, id))

    def operations(request: Request) -> Operations:
        return Operations(request.app.state.runtime.database)

    Decided = Annotated[Operations, Depends(operations)]  # noqa: N806

    @router.get("/log")
    async def list_operations(
        reader: Reader, found: Decided, cursor: str | None = None
    ) -> Page[Operation]:
        """A page of what operators decided, newest first, without what it was about."""
        rows = await found.list(cursor, 100)
        return Page(
            items=[models.operation(row) for row in rows],
            next=rows[-1]["_id"] if len(rows) == 100 else None,
        )

    @router.get("/log/{operation_id}", responses=problems(NoSuchOperationError))
    async def show_operation(operation_id: str, reader: Reader, found: Decided) -> Operation:
        """One of them, with all of the event or the job as it was."""
        return models.operation(await found.show(operation_id))

    @router.post(
        "/dead/retry", status_code=204, responses=problems(NoSuchEventError, NotAnEventError)
    )
    async def retry_dead_event(id: str, deciding: Deciding) -> Response:
        """Try a dead event again; those parked behind it follow in sequence."""
        return await deciding.run(dead.retry, id)

    @router.post("/dead/discard", status_code=204, responses=problems(NoSuchEventError))
    async def discard_dead_event(id: str, deciding: Deciding) -> Response:
        """Let a dead event go for good; those parked behind it follow in sequence."""
        return await deciding.run(dead.discard, id)

    @router.post(
        "/parked/skip", status_code=204, responses=problems(NoSuchEventError, NotNextError)
    )
    async def skip_lost_events(id: str, deciding: Deciding) -> Response:
        """Give up the events that a parked one waits for, if they are lost: it follows now."""
        return await deciding.run(dead.skip, id)

    @router.get("/jobs")
    async def list_jobs(
        operator: Operator, found: OfJobs, state: JobState = "failed", cursor: str | None = None
    ) -> Page[JobOut]:
        """A page of jobs in a state, without what they are to work on."""
        rows = await found.list(state, cursor, 100)
        return Page(
            items=[models.job_out(row) for row in rows],
            next=rows[-1]["_id"] if len(rows) == 100 else None,
        )

    @router.get("/job", responses=problems(NoSuchJobError))
    async def show_job(id: str, operator: Operator, found: OfJobs) -> JobOut:
        """One job with its last error and what it is to work on."""
        return models.job_out(await found.show(id))

    @router.post(
        "/jobs/retry", status_code=204, responses=problems(NoSuchJobError, JobSettledError)
    )
    async def retry_failed_job(id: str, deciding: Deciding, found: OfJobs) -> Response:
        """Run a job that was given up again, with all of its attempts."""
        return await deciding.run(found.retry, id)

    @router.post("/jobs/discard", status_code=204, responses=problems(NoSuchJobError))
    async def discard_failed_job(id: str, deciding: Deciding, found: OfJobs) -> Response:
        """Forget a job that was given up; what asks for it again gets it."""
        return await deciding.run(found.discard, id)

    @router.post("/replays", status_code=202, responses=problems(TopicNotConsumedError))
    async def ask_for_replay(
        wanted: ReplayIn,
        operator: Operator,
        request: Request,
        command: Annotated[Command[UnitOfWork[Any]], Depends(command)],
    ) -> ReplayAsked:
        """Let the running consumers read a topic again; what is known is skipped."""
        runtime: Runtime = request.app.state.runtime
        handlers, kafka = runtime.service.handlers, runtime.service.settings.kafka
        topics = handlers.topics(kafka.topic_prefix) if handlers is not None else []

        async def body(uow: UnitOfWork[Any]) -> ReplayAsked:
            by = operator.person_id
            return ReplayAsked(id=replaying.ask(uow, topics, wanted.topic, wanted.start, by))

        return await command.run(body, ReplayAsked)

    @router.post("/republish", responses=problems(NoStateError, BacklogError))
    async def republish_state(
        wanted: RepublishIn,
        operator: Operator,
        behind: NotBehind,
        request: Request,
        command: Annotated[Command[UnitOfWork[Any]], Depends(command)],
    ) -> Republished:
        """Say a page of the state again as snapshots, for whoever never heard of it."""
        runtime: Runtime = request.app.state.runtime

        async def body(uow: UnitOfWork[Any]) -> Republished:
            decision = Decision(operator.person_id)
            published, following = await republish(
                runtime.service, uow, decision, wanted.type, wanted.key, wanted.after
            )
            return Republished(published=published, next=following)

        return await command.run(body, Republished)

    @router.get("/replays")
    async def list_replays(
        operator: Operator, request: Request, cursor: str | None = None
    ) -> Page[Replay]:
        """A page of replays, newest first, with how far each partition is."""
        bound = {"_id": {"$lt": cursor}} if cursor else {}
        found = request.app.state.runtime.database["replays"].find(
            bound, sort=[("_id", -1)], limit=100
        )
        rows = await found.to_list()
        return Page(
            items=[models.replay(row) for row in rows],
            next=rows[-1]["_id"] if len(rows) == 100 else None,
        )

    return router
