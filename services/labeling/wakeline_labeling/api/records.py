"""Routes of what was made: labels for export and analysis, and trusted labels."""

from datetime import datetime

from fastapi import APIRouter

from wakeline_http import Cursor, Limit, Page, Router, decode_cursor, encode_cursor, problems
from wakeline_labeling.api.dependencies import (
    Held,
    Importer,
    LabelingCommand,
    LabelingReader,
    LabelReader,
)
from wakeline_labeling.api.label_models import BenchmarkOut, BenchmarksIn, BenchmarksOut, LabelOut
from wakeline_labeling.domain import names
from wakeline_labeling.domain.errors import NoSuchProjectError, NoSuchStageError
from wakeline_labeling.domain.records import Label
from wakeline_labeling.resources import Resources
from wakeline_labeling.store.unit_of_work import LabelingUnitOfWork
from wakeline_labeling.usecases import benchmarks
from wakeline_labeling.usecases.finding import project_of, stage_of
from wakeline_process import BacklogError, NotBehind

router: APIRouter = Router(prefix="/v1/projects/{project_id}", tags=["labels"])


@router.get("/labels", responses=problems(NoSuchProjectError))
async def list_labels(
    project_id: str,
    reader: LabelReader,
    uow: LabelingReader,
    held: Held,
    stage: str | None = None,
    state: str | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[LabelOut]:
    """A page of labels in the order of their submits, with everything that is known of them."""
    await project_of(uow, project_id)
    after = None
    if cursor:
        submitted_at, label_id = decode_cursor(cursor, datetime, str)
        after = submitted_at, label_id
    stage_id = names.stage_id(project_id, stage) if stage else None
    found = await uow.labels.page(project_id, stage_id, state, after, limit)
    following = None
    if len(found) == limit:
        following = encode_cursor(found[-1].submitted_at, found[-1].id)
    return Page(items=[await _told(held, label) for label in found], next=following)


@router.post(
    "/stages/{stage}/benchmarks",
    responses=problems(NoSuchProjectError, NoSuchStageError, BacklogError),
)
async def set_benchmarks(
    project_id: str,
    stage: str,
    body: BenchmarksIn,
    importer: Importer,
    room: NotBehind,
    uow: LabelingReader,
    command: LabelingCommand,
    held: Held,
) -> BenchmarksOut:
    """Set trusted labels, each on its own: a bad one does not hold up the others."""
    found = await stage_of(uow, project_id, stage)
    items = [benchmarks.Item(i.asset_id, tuple(i.annotations)) for i in body.items]
    checked, refused = await benchmarks.check(uow, held.shelf, found, items)

    async def put(uow: LabelingUnitOfWork) -> BenchmarksOut:
        await benchmarks.put(uow, found, checked)
        done = [BenchmarkOut(asset_id=item.asset.asset_id, status="set") for item in checked]
        not_done = [
            BenchmarkOut(asset_id=v.asset_id, status="refused", code=v.code, detail=v.detail)
            for v in refused
        ]
        return BenchmarksOut(items=done + not_done)

    return await command.run(put, BenchmarksOut)


async def _told(held: Resources, label: Label) -> LabelOut:
    accepted = None
    if label.acceptance is not None:
        accepted = await held.shelf.annotations(label.acceptance.annotations)
    return LabelOut.of(label, await held.shelf.annotations(label.annotations), accepted)
