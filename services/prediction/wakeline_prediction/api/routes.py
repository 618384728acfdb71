"""Routes of predictions: uploads of external ones, and all there are."""

from collections.abc import Sequence
from contextvars import copy_context
from datetime import datetime
from typing import Annotated

from fastapi import Query
from fastapi.responses import StreamingResponse

from wakeline_events.configuration import Slug
from wakeline_http import (
    Cursor,
    Page,
    Router,
    body_limit,
    decode_cursor,
    encode_cursor,
    problems,
)
from wakeline_prediction.api.dependencies import (
    Gathered,
    Held,
    PredictionCommand,
    PredictionReader,
    Uploader,
    Viewer,
)
from wakeline_prediction.api.models import (
    ItemOut,
    PredictionOut,
    Predictor,
    StatusOut,
    UploadIn,
    UploadOut,
    Version,
)
from wakeline_prediction.api.together import Entry, Wanted
from wakeline_prediction.domain.errors import (
    NoSuchStageError,
    NothingAskedForError,
    PredictorNotListedError,
)
from wakeline_prediction.domain.records import Parcel, Prediction
from wakeline_prediction.usecases import uploading
from wakeline_process import (
    LINES_BODY,
    BacklogError,
    Line,
    Lines,
    NotBehind,
    Refusal,
    TooManyRefusedError,
)

router = Router(prefix="/v1/predictions", tags=["predictions"])

PAGE_BYTES = 16 * 1024 * 1024
"""Blobs of shapes that a page holds, as JSON, whatever its ``limit``: as objects they take many
times the memory."""
PredictionLimit = Annotated[
    int, Query(ge=1, le=100, description="How many predictions a page has at most.")
]


@router.post(
    "",
    status_code=201,
    responses=problems(NoSuchStageError, PredictorNotListedError, BacklogError),
)
async def upload_predictions(
    upload: UploadIn,
    _: Uploader,
    room: NotBehind,
    command: PredictionCommand,
    together: Gathered,
    held: Held,
) -> UploadOut:
    """Store predictions of a model that runs elsewhere, for tasks that are open or will be."""
    stage_id = f"{upload.project}/{upload.stage}"
    targets = uploading.targets_of(stage_id, upload.items)
    known = await together.known.ask(Wanted(stage_id, targets))
    judged = uploading.without_repeats(
        await uploading.judge(
            held.world.archive,
            uploading.wanted(known.stage, stage_id, upload.predictor),
            upload.items,
            known.sizes,
            predictor=upload.predictor,
            version=upload.version,
        )
    )
    good = [each for each in judged if isinstance(each, Parcel)]
    answer = UploadOut(
        stored=len(good),
        refused=len(judged) - len(good),
        items=[ItemOut.of(each) for each in judged],
    )
    return await together.store(Entry(command, good, answer, copy_context()))


@router.post(
    "/lines",
    response_class=StreamingResponse,
    openapi_extra=LINES_BODY,
    responses=problems(
        NoSuchStageError, PredictorNotListedError, BacklogError, TooManyRefusedError
    ),
)
@body_limit(None)
async def upload_lines(
    project: Slug,
    stage: Slug,
    predictor: Predictor,
    version: Version,
    _: Uploader,
    room: NotBehind,
    uow: PredictionReader,
    held: Held,
    lines: Lines,
) -> StreamingResponse:
    """Store predictions line by line, as many as are sent, and say which were refused and why."""
    stage_id = f"{project}/{stage}"
    wanted = uploading.wanted(await uow.stages.get(stage_id), stage_id, predictor)

    async def judge(part: Sequence[Line]) -> list[Parcel | Refusal]:
        items = [uploading.parsed(line.content) for line in part]
        judged = await uploading.judge(
            held.world.archive,
            wanted,
            items,
            await uow.targets.sizes(uploading.targets_of(stage_id, items)),
            predictor=predictor,
            version=version,
        )
        return [
            each if isinstance(each, Parcel) else Refusal(each.code, each.detail, each.asset_id)
            for each in judged
        ]

    return await lines.run(judge, uploading.store)


@router.get("", responses=problems(NothingAskedForError))
async def list_predictions(
    _: Viewer,
    uow: PredictionReader,
    held: Held,
    task_id: str | None = None,
    asset_id: str | None = None,
    cursor: Cursor = None,
    limit: PredictionLimit = 20,
) -> Page[PredictionOut]:
    """List what was predicted for a task or an asset, the newest first.

    A page with very many shapes ends before its limit.
    """
    if task_id is None and asset_id is None:
        raise NothingAskedForError
    found = await uow.predictions.page(
        task_id=task_id, asset_id=asset_id, after=_position(cursor), limit=limit
    )
    shown = within(PAGE_BYTES, found)
    items = [
        PredictionOut.of(each, await held.world.archive.unpack(each.shapes, wait=False))
        for each in shown
    ]
    last = shown[-1] if len(found) == limit or len(shown) < len(found) else None
    return Page(items=items, next=encode_cursor(last.at, last.id) if last is not None else None)


@router.get("/status", responses=problems(NoSuchStageError))
async def read_status(project: Slug, stage: Slug, _: Viewer, uow: PredictionReader) -> StatusOut:
    """Count a stage's tasks by how their prediction stands."""
    stage_id = f"{project}/{stage}"
    if await uow.stages.get(stage_id) is None:
        raise NoSuchStageError(stage_id)
    serving = await uow.servings.get(stage_id)
    counts = await uow.targets.counts(stage_id, serving.epoch)
    return StatusOut(
        serving_epoch=serving.epoch,
        model_version=serving.model.version if serving.model else None,
        answered=counts.get("answered", 0),
        failed=counts.get("failed", 0),
        stale=counts.get("stale", 0),
        unanswered=counts.get("unanswered", 0),
    )


def within(most: int, found: Sequence[Prediction]) -> Sequence[Prediction]:
    """The first of them whose blobs have at most so many bytes together, and one in any case."""
    total = 0
    for number, each in enumerate(found):
        total += each.shapes.blob.bytes if each.shapes.blob else 0
        if number and total > most:
            return found[:number]
    return found


def _position(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    at, name = decode_cursor(cursor, datetime, str)
    return at, name
