"""Uploads: predictions of somebody else's model, kept for the tasks that want them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wakeline_events.base import AssetId, StageId
from wakeline_geometry.shapes import Predicted
from wakeline_prediction.domain import choice, uploads
from wakeline_prediction.domain.errors import NoSuchStageError, PredictorNotListedError
from wakeline_prediction.domain.records import Stage, Target, UploadedShapes
from wakeline_prediction.ports import Archive, PredictionUnitOfWork
from wakeline_prediction.usecases.projection import ask


class Item(BaseModel):
    """One asset's uploaded prediction, as it has to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    asset_id: Annotated[AssetId, Field(min_length=1, max_length=300)]
    shapes: tuple[Predicted, ...]
    uncertainty: Annotated[float, Field(ge=0, le=1)] | None = None


@dataclass(frozen=True)
class Refused:
    """Why one item of an upload is not stored."""

    asset_id: str | None
    code: str
    detail: str


Judged = UploadedShapes | Refused


async def wanted_by(uow: PredictionUnitOfWork, stage_id: StageId, predictor: str) -> Stage:
    """The stage, if it wants predictions of an external predictor.

    Raises
    ------
    NoSuchStageError, PredictorNotListedError
    """
    stage = await uow.stages.get(stage_id)
    if stage is None:
        raise NoSuchStageError(stage_id)
    if not choice.accepts_upload(stage.predictors, predictor):
        listed = [each.name for each in stage.predictors]
        raise PredictorNotListedError(predictor, stage_id, listed)
    return stage


async def judge(
    uow: PredictionUnitOfWork,
    archive: Archive,
    stage: Stage,
    items: Sequence[Mapping[str, Any]],
    *,
    predictor: str,
    version: str,
) -> list[Judged]:
    """Check each item by itself, and store the geometry that is too large for a document.

    Nothing of it counts before ``store``; a blob without one is an orphan that harms nobody.
    """
    names = [str(item.get("asset_id")) for item in items]
    known = await uow.targets.many(choice.target_id(stage.id, name) for name in names)
    read = await asyncio.to_thread(_read_all, items, stage, known)
    judged: list[Judged] = []
    for item in read:
        if isinstance(item, Refused):
            judged.append(item)
            continue
        shapes = await archive.pack(item.shapes, wait=False)
        target = choice.target_id(stage.id, item.asset_id)
        judged.append(
            UploadedShapes(
                id=choice.upload_id(target, predictor, version, shapes, item.uncertainty),
                stage_id=stage.id,
                asset_id=item.asset_id,
                predictor=predictor,
                version=version,
                shapes=shapes,
                uncertainty=item.uncertainty,
            )
        )
    return judged


async def store(uow: PredictionUnitOfWork, uploaded: Sequence[UploadedShapes]) -> None:
    """Keep uploads; the tasks that are there already are predicted again."""
    named = {choice.target_id(each.stage_id, each.asset_id): each for each in uploaded}
    known = await uow.targets.many(named)
    for name, each in named.items():
        target = known.get(name) or Target(id=name, stage_id=each.stage_id, asset_id=each.asset_id)
        target = target.with_upload(uow.uploads.put(each))
        uow.targets.put_uploads(target)
        if target.wanted:
            doubt = target.answer.uncertainty if target.answer else None
            ask(uow, target.id, choice.urgency(target.priority, doubt))


def _read_all(
    items: Sequence[Mapping[str, Any]], stage: Stage, known: Mapping[str, Target]
) -> list[Item | Refused]:
    read: list[Item | Refused] = []
    seen: set[str] = set()
    for item in items:
        one = _read(item, stage, known)
        if isinstance(one, Item) and one.asset_id in seen:
            one = Refused(one.asset_id, "repeated-asset", "the asset came before in this request")
        if isinstance(one, Item):
            seen.add(one.asset_id)
        read.append(one)
    return read


def _read(item: Mapping[str, Any], stage: Stage, known: Mapping[str, Target]) -> Item | Refused:
    given = item.get("asset_id")
    name = given if isinstance(given, str) else None
    try:
        read = Item.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        return Refused(name, "invalid-item", f"{where}: {first['msg']}{more}")
    if unknown := uploads.unknown_classes(read.shapes, stage.ontology):
        there = ", ".join(definition.name for definition in stage.ontology.classes)
        detail = f"the ontology has no {', '.join(unknown)}; it has {there}"
        return Refused(name, "unknown-class", detail)
    target = known.get(choice.target_id(stage.id, read.asset_id))
    asset = target.asset if target else None
    if problems := uploads.problems_in(read.shapes, stage.ontology, asset):
        return Refused(name, "invalid-shapes", "; ".join(problems))
    return read
