"""Which event causes which use case."""

from wakeline_events.ingest import AssetRestored, AssetWithdrawn
from wakeline_events.labeling import (
    PredictionRequested,
    ProjectConfigured,
    TaskClosed,
    TaskOpened,
)
from wakeline_events.training import ModelPublished, ModelRetired
from wakeline_messaging import Handlers, Reads, job_row_id
from wakeline_prediction.domain.choice import target_id
from wakeline_prediction.ports import PredictionUnitOfWork
from wakeline_prediction.usecases import projection

handlers = Handlers()


@handlers.on(AssetWithdrawn)
async def on_asset_withdrawn(event: AssetWithdrawn, uow: PredictionUnitOfWork) -> None:
    uow.withdrawals.add(event.asset_id)


@handlers.on(AssetRestored)
async def on_asset_restored(event: AssetRestored, uow: PredictionUnitOfWork) -> None:
    await projection.restore_image(uow, event.asset_id)


@handlers.on(ProjectConfigured)
async def on_project_configured(event: ProjectConfigured, uow: PredictionUnitOfWork) -> None:
    await projection.configure_project(uow, event)


def _opened(event: TaskOpened) -> Reads:
    target = target_id(event.stage_id, event.asset_id)
    return {"targets": {target}, "jobs": {job_row_id(projection.PREDICT, target)}}


@handlers.on(TaskOpened, reads=_opened)
async def on_task_opened(event: TaskOpened, uow: PredictionUnitOfWork) -> None:
    await projection.open_target(uow, event)


@handlers.on(TaskClosed)
async def on_task_closed(event: TaskClosed, uow: PredictionUnitOfWork) -> None:
    await projection.close_target(uow, event)


@handlers.on(PredictionRequested)
async def on_prediction_requested(event: PredictionRequested, uow: PredictionUnitOfWork) -> None:
    await projection.request_prediction(uow, event.stage_id, event.asset_id, event.priority)


@handlers.on(ModelPublished)
async def on_model_published(event: ModelPublished, uow: PredictionUnitOfWork) -> None:
    await projection.serve_model(uow, event)


@handlers.on(ModelRetired)
async def on_model_retired(event: ModelRetired, uow: PredictionUnitOfWork) -> None:
    await projection.retire_model(uow, event)
