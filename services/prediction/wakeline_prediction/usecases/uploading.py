"""Uploads: predictions of somebody else's model, kept for the tasks that want them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import orjson
from pydantic import FailFast, Field, ValidationError

from wakeline_events.base import AssetId, StageId
from wakeline_events.shapes import INLINE_BYTES
from wakeline_events.strict import Strict
from wakeline_geometry.shapes import Predicted
from wakeline_messaging import job_row_id
from wakeline_prediction.domain import choice, uploads
from wakeline_prediction.domain.errors import NoSuchStageError, PredictorNotListedError
from wakeline_prediction.domain.records import Parcel, Size, Stage, Target, Upload
from wakeline_prediction.ports import Archive, PredictionUnitOfWork
from wakeline_prediction.usecases.projection import PREDICT, ask


class Item(Strict):
    """One asset's uploaded prediction, as it has to be."""

    asset_id: Annotated[AssetId, Field(min_length=1, max_length=300)]
    shapes: Annotated[tuple[Predicted, ...], FailFast(), Field(max_length=uploads.MAX_SHAPES)]
    uncertainty: Annotated[float, Field(ge=0, le=1)] | None = None


@dataclass(frozen=True)
class Refused:
    """Why one item of an upload is not stored."""

    asset_id: str | None
    code: str
    detail: str


class _Measure(NamedTuple):
    """What the items of one upload are held against, and become parcels of."""

    stage: Stage
    ontology: uploads.Known
    sizes: Mapping[str, Size]
    predictor: str
    version: str


Judged = Parcel | Refused


def wanted(stage: Stage | None, stage_id: StageId, predictor: str) -> Stage:
    """The stage, if there is one and it wants predictions of an external predictor.

    Raises
    ------
    NoSuchStageError, PredictorNotListedError
    """
    if stage is None:
        raise NoSuchStageError(stage_id)
    if not choice.accepts_upload(stage.predictors, predictor):
        listed = [each.name for each in stage.predictors]
        raise PredictorNotListedError(predictor, stage_id, listed)
    return stage


def parsed(line: bytes) -> Any:
    """What a line says, or why it is no JSON, as `judge` takes both."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Refused(None, "not-json", f"not JSON: {error}")


def targets_of(stage_id: StageId, items: Sequence[Any]) -> list[str]:
    """The targets of those items that name an asset, whatever else they are."""
    names = [item.get("asset_id") for item in items if isinstance(item, dict)]
    return [choice.target_id(stage_id, name) for name in names if isinstance(name, str)]


async def judge(
    archive: Archive,
    stage: Stage,
    items: Sequence[Any],
    sizes: Mapping[str, Size],
    *,
    predictor: str,
    version: str,
) -> list[Judged]:
    """Check each item by itself, and store the geometry that is too large for a document.

    Nothing of it counts before ``store``; a blob without one is collected.

    Parameters
    ----------
    items
        What was sent, whatever it is.
    sizes
        Of the assets by their targets, as far as they are known.
    """
    measure = _Measure(stage, uploads.Known.of(stage.ontology), sizes, predictor, version)
    read = await asyncio.to_thread(_read_all, items, measure)
    judged: list[Judged] = []
    for each in read:
        if isinstance(each, Item):
            packed = await archive.pack(each.shapes, wait=False)
            judged.append(_parcel(each, packed.model_dump(mode="json"), measure))
        else:
            judged.append(each)
    return judged


def without_repeats(judged: Sequence[Judged]) -> list[Judged]:
    """The same, but an asset that came before is refused: in one request it is a mistake."""
    seen: set[str] = set()
    found: list[Judged] = []
    for each in judged:
        if isinstance(each, Parcel) and each.asset_id in seen:
            detail = "the asset came before in this request"
            found.append(Refused(each.asset_id, "repeated-asset", detail))
            continue
        if isinstance(each, Parcel):
            seen.add(each.asset_id)
        found.append(each)
    return found


async def store(uow: PredictionUnitOfWork, parcels: Sequence[Parcel]) -> None:
    """Keep uploads; the tasks that are there already are predicted again.

    What a target holds already is passed by; of two for one target the later counts.
    """
    latest = {each.target_id: each for each in parcels}
    known = await uow.targets.standing(latest)
    fresh = {
        name: parcel
        for name, parcel in latest.items()
        if name not in known or not known[name].ends_with(parcel.upload)
    }
    there = await uow.uploads.existing(parcel.upload.id for parcel in fresh.values())
    outdated = [name for name in fresh if name in known and known[name].wanted]
    await uow.preload({"jobs": [job_row_id(PREDICT, name) for name in outdated]})
    replaced: list[str] = []
    for name, parcel in fresh.items():
        if parcel.upload.id in there:
            uow.uploads.keep(parcel.upload.id)
        else:
            uow.uploads.add(parcel)
        if name in known:
            uow.targets.put_uploads(name, known[name].uploads_with(parcel.upload))
            replaced += known[name].replaced_by(parcel.upload)
        else:
            stage, asset = parcel.stage_id, parcel.asset_id
            uow.targets.add(
                Target(id=name, stage_id=stage, asset_id=asset, uploads=(parcel.upload,))
            )
    for upload_id in replaced:
        uow.uploads.replace(upload_id)
    for name in outdated:
        target = known[name]
        doubt = target.answer.uncertainty if target.answer else None
        ask(uow, name, choice.urgency(target.priority, doubt))


def reads(parcels: Sequence[Parcel]) -> dict[str, list[str]]:
    """Ids by collection of what `store` looks up, for who reads it for many at once."""
    targets = [parcel.target_id for parcel in parcels]
    return {
        "targets": targets,
        "uploads": [parcel.upload.id for parcel in parcels],
        "jobs": [job_row_id(PREDICT, target) for target in targets],
    }


def _read_all(items: Sequence[Any], measure: _Measure) -> list[Parcel | Refused | Item]:
    return [item if isinstance(item, Refused) else _read(item, measure) for item in items]


def _read(value: Any, measure: _Measure) -> Parcel | Refused | Item:
    """What comes of an item; the item itself where its shapes are too large for a document."""
    given = value.get("asset_id") if isinstance(value, dict) else None
    name = given if isinstance(given, str) else None
    try:
        item = Item.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        return Refused(name, "invalid-item", f"{where}: {first['msg']}{more}".removeprefix(": "))
    if unknown := uploads.unknown_classes(item.shapes, measure.ontology):
        there = ", ".join(measure.ontology.names)
        detail = f"the ontology has no {', '.join(unknown)}; it has {there}"
        return Refused(name, "unknown-class", detail)
    size = measure.sizes.get(choice.target_id(measure.stage.id, item.asset_id))
    if problems := uploads.problems_in(item.shapes, measure.ontology, size):
        return Refused(name, "invalid-shapes", "; ".join(problems))
    rows = rows_of(item.shapes)
    if len(orjson.dumps(rows)) > INLINE_BYTES:
        return item
    return _parcel(item, {"count": len(rows), "items": rows, "blob": None}, measure)


def rows_of(shapes: Sequence[Predicted]) -> list[dict[str, Any]]:
    """Shapes as a document holds them, in a quarter of the time that ``model_dump`` takes.

    What models hold is what JSON does, but for tuples, which are lists everywhere else.
    """
    return [{**vars(shape), "geometry": vars(shape.geometry)} for shape in shapes]


def _parcel(item: Item, shapes: dict[str, Any], measure: _Measure) -> Parcel:
    target = choice.target_id(measure.stage.id, item.asset_id)
    predictor, version = measure.predictor, measure.version
    name = choice.upload_id(target, predictor, version, shapes, item.uncertainty)
    return Parcel(
        upload=Upload(id=name, predictor=predictor, version=version),
        target_id=target,
        stage_id=measure.stage.id,
        asset_id=item.asset_id,
        shapes=shapes,
        uncertainty=item.uncertainty,
    )
