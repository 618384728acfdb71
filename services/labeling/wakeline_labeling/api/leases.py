"""Routes of those who label: leases, pixels through them, drafts and submits."""

from collections.abc import AsyncIterator
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from wakeline_http import IdempotencyKey, Router, problems
from wakeline_labeling.api.admission import admitted
from wakeline_labeling.api.dependencies import (
    Gathered,
    Held,
    LabelingCommand,
    LabelingReader,
    Worker,
)
from wakeline_labeling.api.lease_models import (
    DraftIn,
    DraftOut,
    Ended,
    Heartbeat,
    LeaseOut,
    LeaseRequest,
    LeasesOut,
    Reason,
    SubmitIn,
    SubmitOut,
)
from wakeline_labeling.domain import submission
from wakeline_labeling.domain.errors import (
    AlreadySubmittedError,
    ExamFailedError,
    FenceOutdatedError,
    InvalidAnnotationsError,
    LeaseEndedError,
    LeaseExpiredError,
    NoSuchBandError,
    NoSuchLeaseError,
    NoSuchProjectError,
    NoSuchStageError,
    NotAMemberError,
    NoTaskAvailableError,
    SuspendedError,
    TooManyLeasesError,
    TooManyRequestsError,
)
from wakeline_labeling.domain.records import Slot
from wakeline_labeling.store.unit_of_work import LabelingUnitOfWork
from wakeline_labeling.usecases import examining, holding, leasing, limiting, submitting
from wakeline_labeling.usecases.finding import project_of

router: APIRouter = Router(prefix="/v1", tags=["leases"])
DEAD = (NoSuchLeaseError, LeaseExpiredError, FenceOutdatedError, LeaseEndedError)


@router.post(
    "/projects/{project_id}/stages/{stage}/leases",
    status_code=201,
    responses=problems(
        NoSuchProjectError,
        NoSuchStageError,
        NotAMemberError,
        NoTaskAvailableError,
        ExamFailedError,
        SuspendedError,
        TooManyLeasesError,
        TooManyRequestsError,
    ),
)
async def lease_next(
    project_id: str,
    stage: str,
    body: LeaseRequest,
    worker: Worker,
    uow: LabelingReader,
    held: Held,
    together: Gathered,
    key: IdempotencyKey = None,
) -> LeasesOut:
    """Lease the next tasks of a stage to the caller; a repeated key gets the same ones."""
    found, labeler = await admitted(uow, worker, project_id, stage)
    limiting.refuse_haste(held.desk, found, labeler)
    exam = await examining.sitting_of(uow, found, labeler)

    async def lease(count: int) -> list[Slot]:
        if exam is not None:
            return await examining.lease_exam(uow, held.desk, found, labeler, exam, count, key)
        claim = together.claims.ask
        return await leasing.lease_next(uow, held.desk, claim, found, labeler, count, key)

    slots = await limiting.lease_within(
        uow, held.desk, found, labeler, lease, body.count, key, exam=exam is not None
    )
    views = await leasing.describe(uow, held.desk, held.shelf, found.project, slots)
    return LeasesOut.model_construct(leases=[LeaseOut.of(view) for view in views])


@router.get("/leases")
async def list_leases(worker: Worker, uow: LabelingReader, held: Held) -> LeasesOut:
    """The caller's living leases, whatever client they were made with."""
    leases = []
    for slot in await uow.slots.leased_by(worker.person_id):
        project = await project_of(uow, slot.project_id)
        views = await leasing.describe(uow, held.desk, held.shelf, project, [slot])
        leases += [LeaseOut.of(view) for view in views]
    return LeasesOut(leases=leases)


@router.get("/leases/{lease_id}", responses=problems(*DEAD))
async def read_lease(lease_id: str, worker: Worker, uow: LabelingReader, held: Held) -> LeaseOut:
    """One of the caller's living leases."""
    slot = await holding.living(uow, lease_id, worker.person_id)
    project = await project_of(uow, slot.project_id)
    (view,) = await leasing.describe(uow, held.desk, held.shelf, project, [slot])
    return LeaseOut.of(view)


@router.get("/leases/{lease_id}/image", responses=problems(*DEAD), response_class=Response)
async def read_image(
    lease_id: str, worker: Worker, uow: LabelingReader, held: Held
) -> StreamingResponse:
    """The leased image's bytes, as they were uploaded."""
    slot = await holding.living(uow, lease_id, worker.person_id)
    return await _bytes_of(held.pixels.stream(slot.asset.image))


@router.get(
    "/leases/{lease_id}/bands/{band}",
    responses=problems(*DEAD, NoSuchBandError),
    response_class=Response,
)
async def read_band(
    lease_id: str, band: str, worker: Worker, uow: LabelingReader, held: Held
) -> StreamingResponse:
    """The bytes of one of the leased image's extra bands."""
    slot = await holding.living(uow, lease_id, worker.person_id)
    return await _bytes_of(held.pixels.stream(holding.band_key(slot, band)))


@router.post("/leases/{lease_id}/heartbeat", responses=problems(*DEAD))
async def extend_lease(lease_id: str, worker: Worker, uow: LabelingReader) -> Heartbeat:
    """Let a lease last its full time from now on."""
    until = await holding.heartbeat(uow, lease_id, worker.person_id)
    return Heartbeat(lease_id=lease_id, expires_at=until)


@router.post("/leases/{lease_id}/return", responses=problems(*DEAD))
async def return_lease(
    lease_id: str, body: Reason, worker: Worker, command: LabelingCommand
) -> Ended:
    """Give a task back; anybody may go on with it, the caller too."""
    return await _end(command, lease_id, worker.person_id, "returned")


@router.post("/leases/{lease_id}/skip", responses=problems(*DEAD))
async def skip_lease(
    lease_id: str, body: Reason, worker: Worker, command: LabelingCommand
) -> Ended:
    """Give a task back for somebody else."""
    return await _end(command, lease_id, worker.person_id, "skipped")


@router.put("/leases/{lease_id}/draft", responses=problems(*DEAD, InvalidAnnotationsError))
async def save_draft(
    lease_id: str, body: DraftIn, worker: Worker, command: LabelingCommand, held: Held
) -> DraftOut:
    """Keep unfinished work; it comes back with the caller's next lease of the task."""
    submission.check_attributes(body.annotations)
    annotations = await held.shelf.shelve(body.annotations)

    async def save(uow: LabelingUnitOfWork) -> DraftOut:
        saved_at = await holding.save_draft(
            uow, lease_id, worker.person_id, body.fence, annotations
        )
        return DraftOut(lease_id=lease_id, saved_at=saved_at)

    return await command.run(save, DraftOut)


@router.post(
    "/leases/{lease_id}/submit",
    status_code=201,
    responses=problems(*DEAD, AlreadySubmittedError, InvalidAnnotationsError),
)
async def submit_lease(
    lease_id: str,
    body: SubmitIn,
    worker: Worker,
    uow: LabelingReader,
    held: Held,
    together: Gathered,
) -> SubmitOut:
    """Turn a lease into a label. Too late, it is refused, and the work is kept as a draft.

    It needs no ``Idempotency-Key``: the same annotations for the same lease are the same label.
    """
    prepared = await submitting.prepare(
        uow,
        held.desk,
        held.shelf,
        lease_id,
        worker.person_id,
        body.fence,
        body.annotations,
        body.seconds,
    )

    # A refusal is an answer like any other until the draft is committed.
    submitted = (await together.submits.ask(prepared)).or_refusal()
    assert submitted.label_id is not None
    assert submitted.effort is not None
    return SubmitOut(label_id=submitted.label_id, effort=submitted.effort)


async def _end(
    command: LabelingCommand, lease_id: str, person_id: str, how: Literal["returned", "skipped"]
) -> Ended:
    async def end(uow: LabelingUnitOfWork) -> Ended:
        await holding.give_back(uow, lease_id, person_id, how)
        return Ended(lease_id=lease_id, reason=how)

    return await command.run(end, Ended)


async def _bytes_of(chunks: AsyncIterator[bytes]) -> StreamingResponse:
    first = await anext(chunks, b"")  # a missing object is an error now, not half a response

    async def all_of_it() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return StreamingResponse(
        all_of_it(), media_type=_media_type(first), headers={"Cache-Control": "private, no-store"}
    )


def _media_type(start: bytes) -> str:
    signatures = {
        b"\x89PNG": "image/png",
        b"\xff\xd8\xff": "image/jpeg",
        b"II*\0": "image/tiff",
        b"MM\0*": "image/tiff",
    }
    kinds = (kind for magic, kind in signatures.items() if start.startswith(magic))
    return next(kinds, "application/octet-stream")
