"""Routes that take labels line by line: trusted ones, and those that were made elsewhere."""

from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter, ValidationError

from wakeline_http import Router, body_limit, problems
from wakeline_labeling.api.dependencies import Held, Importer, LabelingReader
from wakeline_labeling.api.label_models import BenchmarkIn
from wakeline_labeling.domain.errors import NoSuchProjectError, NoSuchStageError
from wakeline_labeling.store.unit_of_work import LabelingUnitOfWork
from wakeline_labeling.usecases import benchmarks, importing
from wakeline_labeling.usecases.finding import stage_of
from wakeline_labeling.usecases.importing import Checked, Item, Refused, Source
from wakeline_process import (
    LINES_BODY,
    BacklogError,
    Line,
    Lines,
    NotBehind,
    Refusal,
    TooManyRefusedError,
)

router: APIRouter = Router(prefix="/v1/projects/{project_id}/stages/{stage}", tags=["labels"])
SourceName = Annotated[
    str,
    Query(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$",
        description="What the labels come from; it stands in the place of a person.",
    ),
]
_ITEM = TypeAdapter(BenchmarkIn)
_PROBLEMS = problems(NoSuchProjectError, NoSuchStageError, BacklogError, TooManyRefusedError)


@router.post(
    "/labels/lines",
    response_class=StreamingResponse,
    openapi_extra=LINES_BODY,
    responses=_PROBLEMS,
)
@body_limit(None)
async def import_labels(
    project_id: str,
    stage: str,
    source: SourceName,
    importer: Importer,
    room: NotBehind,
    uow: LabelingReader,
    held: Held,
    lines: Lines,
    trusted: bool = False,
) -> StreamingResponse:
    """Take in labels that were made elsewhere, line by line: they count, and measure nothing."""
    found = await stage_of(uow, project_id, stage)
    origin = Source(source, trusted)

    async def judge(part: Sequence[Line]) -> list[Checked | Refusal]:
        read = [_read(line.content) for line in part]
        items = [one for one in read if isinstance(one, Item)]
        checked = iter(await importing.check(uow, held.shelf, found, items))
        return [_judged(next(checked)) if isinstance(one, Item) else one for one in read]

    async def store(uow: LabelingUnitOfWork, checked: Sequence[Checked]) -> dict[int, Refusal]:
        refused = await importing.put(uow, found, origin, checked)
        return {position: _refusal(one) for position, one in refused.items()}

    return await lines.run(judge, store)


@router.post(
    "/benchmarks/lines",
    response_class=StreamingResponse,
    openapi_extra=LINES_BODY,
    responses=_PROBLEMS,
)
@body_limit(None)
async def import_benchmarks(
    project_id: str,
    stage: str,
    importer: Importer,
    room: NotBehind,
    uow: LabelingReader,
    held: Held,
    lines: Lines,
) -> StreamingResponse:
    """Set trusted labels line by line, as many as are sent; a later one replaces an earlier."""
    found = await stage_of(uow, project_id, stage)

    async def judge(part: Sequence[Line]) -> list[Checked | Refusal]:
        read = [_read(line.content) for line in part]
        items = [one for one in read if isinstance(one, Item)]
        checked = iter(await importing.check(uow, held.shelf, found, items))
        return [_judged(next(checked)) if isinstance(one, Item) else one for one in read]

    async def store(uow: LabelingUnitOfWork, checked: Sequence[Checked]) -> None:
        latest = {one.asset.asset_id: one for one in checked}
        truth = [
            benchmarks.Checked(one.asset, one.annotations, one.digest) for one in latest.values()
        ]
        await benchmarks.put(uow, found, truth)

    return await lines.run(judge, store)


def _read(content: bytes) -> Item | Refusal:
    try:
        value: Any = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        return Refusal("not-json", f"not JSON: {error}")
    try:
        item = _ITEM.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        given = value.get("asset_id") if isinstance(value, dict) else None
        name = given if isinstance(given, str) else None
        return Refusal("invalid-item", f"{where}: {first['msg']}".removeprefix(": "), name)
    return Item(item.asset_id, tuple(item.annotations))


def _judged(checked: Checked | Refused) -> Checked | Refusal:
    return checked if isinstance(checked, Checked) else _refusal(checked)


def _refusal(refused: Refused) -> Refusal:
    return Refusal(refused.code, refused.detail, refused.asset_id)
