"""Predicting a batch of targets: who may answer, what they say, and whether it still counts."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from wakeline_images import UnreadableImageError
from wakeline_models.uncertainty import uncertainty
from wakeline_prediction import metrics
from wakeline_prediction.domain import choice, mapping
from wakeline_prediction.domain.assignments import NOBODY, Assignment, Completed, Failed, Outcome
from wakeline_prediction.domain.choice import Candidate
from wakeline_prediction.domain.errors import CannotAnswerError, PredictorRefusedError
from wakeline_prediction.ports import (
    Archive,
    Picture,
    PredictionUnitOfWork,
    Predictor,
    Question,
    Result,
    Steps,
)
from wakeline_prediction.usecases.answering import store_answer
from wakeline_prediction.usecases.projection import ask

log = structlog.get_logger()

AT_ONCE = 3
"""Targets that a process works on at the same time, of all its batches: on two cores one is fetched
and decoded while two are predicted. Each holds its picture in memory."""


@dataclass(frozen=True)
class World:
    """What predicting needs beside the database."""

    archive: Archive
    predictors: Mapping[str, Predictor]
    """Adapters of the port by name."""
    rules: Mapping[str, str]
    """Version of each rule by name."""
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))


async def predict(steps: Steps, target_ids: Sequence[str], world: World) -> None:
    """Answer for a batch of targets, and publish every answer that still counts at its end.

    An answer counts if it was made from what is configured, uploaded and serving when it is
    stored; else its target is asked for again, so a model that was published meanwhile is never
    overwritten by what it replaces. A target that fails fails alone.
    """
    due: list[Assignment] = []

    async def load(uow: PredictionUnitOfWork) -> None:
        due[:] = [each for each in await _assignments(uow, target_ids, world) if each.is_due]

    await steps.transaction(load)
    outcomes = await asyncio.gather(*(_outcome(each, world) for each in due))
    outdated: set[str] = set()

    async def store(uow: PredictionUnitOfWork) -> None:
        outdated.clear()
        asked = [each.target.id for each in due]
        today = {each.target.id: each for each in await _assignments(uow, asked, world)}
        for made, outcome in zip(due, outcomes, strict=True):
            now = today.get(made.target.id)
            if now is not None and now.is_due and now.asks_the_same_as(made):
                store_answer(uow, now, outcome)
                if now.withdrawn:
                    uow.withdrawals.note(now.target.asset_id, now.target.id)
                continue
            outdated.add(made.target.id)
            if now is None or now.is_due:
                doubt = made.target.answer.uncertainty if made.target.answer else None
                ask(uow, made.target.id, choice.urgency(made.target.priority, doubt))

    await steps.finish(store)
    for made, outcome in zip(due, outcomes, strict=True):
        result = outcome.code if isinstance(outcome, Failed) else "completed"
        result = "outdated" if made.target.id in outdated else result
        metrics.predictions_total.labels(outcome.predictor, result).inc()


async def give_up(uow: PredictionUnitOfWork, target: str, reason: str, world: World) -> None:
    """Say that a target could not be predicted, after all attempts at its job."""
    for each in await _assignments(uow, [target], world):
        if each.is_due:
            store_answer(uow, each, Failed(each.first_choice, "given-up", reason))


async def _assignments(
    uow: PredictionUnitOfWork, target_ids: Sequence[str], world: World
) -> list[Assignment]:
    """The given targets, as far as they have a task and their stage is configured."""
    targets = [each for each in (await uow.targets.many(target_ids)).values() if each.task_id]
    stages = await uow.stages.many({target.stage_id for target in targets})
    serving_ids = {name for stage in stages.values() for name in stage.served_by}
    servings = await uow.servings.many(serving_ids)
    withdrawn = await uow.withdrawals.among(target.asset_id for target in targets)
    upload_ids = {upload.id for target in targets for upload in target.uploads}
    uploads = await uow.uploads.many(upload_ids) if upload_ids else {}
    found = []
    for target in targets:
        if (stage := stages.get(target.stage_id)) is not None:
            chosen = choice.candidates(stage, servings, target, world.rules)
            gone = target.asset_id in withdrawn
            found.append(Assignment(target, stage, servings[stage.id], chosen, uploads, gone))
    return found


async def _outcome(assignment: Assignment, world: World) -> Outcome:
    first = assignment.first_choice
    if assignment.withdrawn:
        return Failed(first, "image-withdrawn", "its source has the image no more")
    async with world.slots:
        try:
            return await _first_answer(assignment, world)
        except UnreadableImageError as error:
            return Failed(first, error.code, error.message)
        except PredictorRefusedError as error:
            log.error("predictor refused", code=error.code, cause=str(error))
            return Failed(first, error.code, str(error))
        except Exception as error:
            # A bug in a predictor must not cost the rest of the batch its answers; it shows in
            # the log, in the metrics and in the event.
            log.error("predictor crashed", target=assignment.target.id, exc_info=error)
            return Failed(first, "predictor-crashed", type(error).__name__)


async def _first_answer(assignment: Assignment, world: World) -> Outcome:
    pixels: list[Picture] = []

    async def picture() -> Picture:
        if not pixels:
            pixels.append(await world.archive.picture(assignment.asset))
        return pixels[0]

    reasons = []
    for candidate in assignment.candidates:
        uploaded = assignment.uploads.get(candidate.upload) if candidate.upload else None
        question = Question(candidate, assignment.stage.ontology, picture, uploaded)
        started = time.perf_counter()
        try:
            result = await world.predictors[candidate.adapter].predict(question)
        except CannotAnswerError as error:
            reasons.append(f"{candidate.predictor}: {error}")
            continue
        finally:
            seconds = time.perf_counter() - started
            metrics.prediction_seconds.labels(candidate.adapter).observe(seconds)
        return await _completed(assignment, candidate, result, world)
    reason = "; ".join(reasons) or "the stage lists no predictor that can answer now"
    return Failed(NOBODY, "no-predictor", reason)


async def _completed(
    assignment: Assignment, candidate: Candidate, result: Result, world: World
) -> Completed:
    asset = assignment.asset
    ours = mapping.translated(result.shapes, candidate.classes)
    fitted = await asyncio.to_thread(
        mapping.fit,
        ours.shapes,
        assignment.stage.ontology,
        width=asset.width,
        height=asset.height,
        regions=assignment.target.focus_regions,
    )
    for reason, count in (ours.dropped + fitted.dropped).items():
        metrics.dropped_shapes_total.labels(candidate.adapter, reason).inc(count)
    doubt = uncertainty(fitted.shapes) if result.uncertainty is None else result.uncertainty
    shapes = await world.archive.pack(fitted.shapes, wait=True)
    return Completed(candidate, shapes, min(1.0, max(0.0, doubt)))
