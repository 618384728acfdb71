"""What serves a stage: publishing a model, overruling the gate, and going back."""

from wakeline_events.base import PersonId, StageId
from wakeline_events.training import ModelPublished, ModelRetired
from wakeline_training.domain.models import (
    ModelBlockedError,
    ModelVersion,
    Publication,
    UnknownModelError,
)
from wakeline_training.domain.stage import Stage
from wakeline_training.ports import TrainingUnitOfWork
from wakeline_training.usecases import asking


async def model_of(uow: TrainingUnitOfWork, version: str) -> ModelVersion:
    """A model version.

    Raises
    ------
    UnknownModelError
        If there is none of this name.
    """
    model = await uow.models.get(version)
    if model is None:
        raise UnknownModelError(f"there is no model {version}")
    return model


def serve(
    uow: TrainingUnitOfWork,
    stage: Stage,
    model: ModelVersion,
    *,
    person: PersonId | None = None,
    reason: str | None = None,
) -> Stage:
    """Let a model serve under the next epoch, and tell predictors where it lies."""
    published = stage.published(model.model_version)
    uow.stages.put(published)
    _record(uow, published, model, person, reason)
    return published


async def publish(
    uow: TrainingUnitOfWork,
    version: str,
    person: PersonId,
    *,
    force: bool = False,
    reason: str | None = None,
) -> Stage:
    """Publish a model because a person says so.

    Raises
    ------
    UnknownModelError, AlreadyServesError
        If there is nothing to publish.
    ModelBlockedError
        If the gate blocked it, unless it is forced with a reason; the reason is kept.
    """
    model = await model_of(uow, version)
    blocked = model.gate.verdict == "blocked"
    if blocked and not (force and reason):
        raise ModelBlockedError(version, model.gate.reasons)
    stage = await asking.stage_of(uow, model.stage_id)
    return serve(uow, stage, model, person=person, reason=reason)


async def roll_back(uow: TrainingUnitOfWork, stage_id: StageId, person: PersonId) -> Stage:
    """Let the model before serve again; without one, the stage's other predictors do.

    Raises
    ------
    UnknownStageError, NothingServesError
        If there is nothing to go back from.
    """
    stage = await asking.stage_of(uow, stage_id)
    back = stage.rolled_back()
    uow.stages.put(back)
    if back.serving is not None:
        _record(uow, back, await model_of(uow, back.serving), person, None)
    else:
        assert stage.serving is not None
        uow.emit(
            ModelRetired(
                stage_id=stage_id,
                model_version=stage.serving,
                serving_epoch=back.serving_epoch,
                retired_by=person,
            )
        )
    return back


def _record(
    uow: TrainingUnitOfWork,
    stage: Stage,
    model: ModelVersion,
    person: PersonId | None,
    reason: str | None,
) -> None:
    publication = Publication(
        serving_epoch=stage.serving_epoch,
        at=uow.now,
        by=person,
        forced=person is not None and model.gate.verdict == "blocked",
        reason=reason,
    )
    decided = model.model_copy(update={"publications": (*model.publications, publication)})
    uow.models.put(decided)
    uow.emit(published(stage, decided))


def published(stage: Stage, model: ModelVersion) -> ModelPublished:
    """The event that tells which model serves a stage, and by whose decision."""
    return ModelPublished(
        stage_id=stage.stage_id,
        model_version=model.model_version,
        serving_epoch=stage.serving_epoch,
        metrics=model.metrics,
        artefact_key=model.artefact_key,
        published_by=model.publications[-1].by,
    )
