"""Routes for programs that label for many people's screens: several leases in one request."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from wakeline_events.strict import Strict
from wakeline_http import Router
from wakeline_labeling.api.dependencies import (
    Gathered,
    Held,
    LabelingCommand,
    LabelingReader,
    Worker,
)
from wakeline_labeling.api.lease_models import Heartbeat, SubmitIn, SubmitOut
from wakeline_labeling.api.together import Together
from wakeline_labeling.domain.errors import LabelingError
from wakeline_labeling.resources import Resources
from wakeline_labeling.store.unit_of_work import LabelingUnitOfWork
from wakeline_labeling.usecases import holding, submitting

router: APIRouter = Router(prefix="/v1/leases", tags=["leases"])
MOST = 200
"""Leases of one request."""


class LeasesIn(Strict):
    """Which leases are meant."""

    lease_ids: Annotated[list[str], Field(min_length=1, max_length=MOST)]


class SubmitOne(SubmitIn):
    """All annotations of one of the tasks."""

    lease_id: str


class SubmitsIn(Strict):
    """Several labels; 8 MB of them at most."""

    items: Annotated[list[SubmitOne], Field(min_length=1, max_length=MOST)]


class ProblemOut(BaseModel):
    """Why one of the leases was refused; the others were not held up by it."""

    code: str
    detail: str
    problems: list[str] = []
    """Each thing that is wrong with the annotations."""

    @classmethod
    def of(cls, error: LabelingError) -> "ProblemOut":
        """As the route of one lease would tell it."""
        extra: Any = error.extra.get("problems", [])
        return cls(code=error.code, detail=str(error), problems=list(extra))


class HeartbeatItem(BaseModel):
    """What became of one heartbeat."""

    lease_id: str
    heartbeat: Heartbeat | None = None
    problem: ProblemOut | None = None


class HeartbeatsOut(BaseModel):
    """One for each lease, in their order."""

    items: list[HeartbeatItem]


class ReturnItem(BaseModel):
    """What became of one return."""

    lease_id: str
    returned: bool
    problem: ProblemOut | None = None


class ReturnsOut(BaseModel):
    """One for each lease, in their order."""

    items: list[ReturnItem]


class SubmitItem(BaseModel):
    """What became of one submit."""

    lease_id: str
    label: SubmitOut | None = None
    problem: ProblemOut | None = None


class SubmitsOut(BaseModel):
    """One for each lease, in their order."""

    items: list[SubmitItem]


@router.post("/heartbeat")
async def extend_leases(body: LeasesIn, worker: Worker, uow: LabelingReader) -> HeartbeatsOut:
    """Let several leases last their full time from now on."""
    items = []
    for lease_id in body.lease_ids:
        try:
            until = await holding.heartbeat(uow, lease_id, worker.person_id)
        except LabelingError as error:
            items.append(HeartbeatItem(lease_id=lease_id, problem=ProblemOut.of(error)))
        else:
            alive = Heartbeat(lease_id=lease_id, expires_at=until)
            items.append(HeartbeatItem(lease_id=lease_id, heartbeat=alive))
    return HeartbeatsOut(items=items)


@router.post("/return")
async def return_leases(body: LeasesIn, worker: Worker, command: LabelingCommand) -> ReturnsOut:
    """Give several tasks back."""

    async def give_back(uow: LabelingUnitOfWork) -> ReturnsOut:
        items = []
        for lease_id in dict.fromkeys(body.lease_ids):
            try:
                await holding.give_back(uow, lease_id, worker.person_id, "returned")
            except LabelingError as error:
                problem = ProblemOut.of(error)
                items.append(ReturnItem(lease_id=lease_id, returned=False, problem=problem))
            else:
                items.append(ReturnItem(lease_id=lease_id, returned=True))
        return ReturnsOut(items=items)

    return await command.run(give_back, ReturnsOut)


@router.post("/submit")
async def submit_leases(
    body: SubmitsIn, worker: Worker, uow: LabelingReader, held: Held, together: Gathered
) -> SubmitsOut:
    """Turn several leases into labels, each on its own: a bad one does not hold up the others.

    It needs no ``Idempotency-Key``: the same annotations for the same lease are the same label.
    """
    submits = (_submit(uow, held, together, worker.person_id, one) for one in body.items)
    return SubmitsOut(items=list(await asyncio.gather(*submits)))


async def _submit(
    uow: LabelingUnitOfWork,
    held: Resources,
    together: Together,
    person_id: str,
    one: SubmitOne,
) -> SubmitItem:
    try:
        prepared = await submitting.prepare(
            uow,
            held.desk,
            held.shelf,
            one.lease_id,
            person_id,
            one.fence,
            one.annotations,
            one.seconds,
        )
        submitted = (await together.submits.ask(prepared)).or_refusal()
    except LabelingError as error:
        return SubmitItem(lease_id=one.lease_id, problem=ProblemOut.of(error))
    assert submitted.label_id is not None
    assert submitted.effort is not None
    label = SubmitOut(label_id=submitted.label_id, effort=submitted.effort)
    return SubmitItem(lease_id=one.lease_id, label=label)
