"""Routes of model versions: what was made, what serves, and going back."""

from typing import Annotated

from fastapi import Body

from wakeline_http import Page, Router, problems
from wakeline_training.api.dependencies import (
    Listed,
    PublishesModels,
    ReadsModels,
    TrainingCommand,
    TrainingReader,
)
from wakeline_training.api.models import ModelOut, PublishIn, RollbackIn, ServingOut
from wakeline_training.domain.models import ModelBlockedError, UnknownModelError
from wakeline_training.domain.stage import (
    AlreadyServesError,
    NothingServesError,
    UnknownStageError,
)
from wakeline_training.store.unit_of_work import MongoTrainingUnitOfWork
from wakeline_training.usecases import serving

router = Router(prefix="/v1/models", tags=["models"])


@router.get("")
async def list_models(listing: Listed, _: ReadsModels, uow: TrainingReader) -> Page[ModelOut]:
    """Model versions, newest first, blocked ones included."""
    models = await uow.models.page(listing.filter, listing.after, listing.limit)
    items = [ModelOut.of(model, await uow.stages.get(model.stage_id)) for model in models]
    return Page(items=items, next=listing.next(models, "model_version"))


@router.post("/rollback", responses=problems(UnknownStageError, NothingServesError))
async def roll_back(
    asked: RollbackIn, person: PublishesModels, command: TrainingCommand
) -> ServingOut:
    """Let the model before serve again; the first one gives way to the other predictors."""

    async def back(uow: MongoTrainingUnitOfWork) -> ServingOut:
        stage_id = f"{asked.project}/{asked.stage}"
        return ServingOut.of(await serving.roll_back(uow, stage_id, person.person_id))

    return await command.run(back, ServingOut)


@router.get("/{model_version}", responses=problems(UnknownModelError))
async def get_model(model_version: str, _: ReadsModels, uow: TrainingReader) -> ModelOut:
    """A model version with its metrics and the gate's verdict."""
    model = await serving.model_of(uow, model_version)
    return ModelOut.of(model, await uow.stages.get(model.stage_id))


@router.post(
    "/{model_version}/publish",
    responses=problems(UnknownModelError, AlreadyServesError, ModelBlockedError),
)
async def publish_model(
    model_version: str,
    person: PublishesModels,
    command: TrainingCommand,
    asked: Annotated[PublishIn, Body(default_factory=PublishIn)],
) -> ServingOut:
    """Let a model serve; one that the gate blocked only with ``force`` and a reason."""

    async def publish(uow: MongoTrainingUnitOfWork) -> ServingOut:
        stage = await serving.publish(
            uow, model_version, person.person_id, force=asked.force, reason=asked.reason
        )
        return ServingOut.of(stage)

    return await command.run(publish, ServingOut)
