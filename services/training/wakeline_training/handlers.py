"""Which event causes which use case."""

from wakeline_events.ingest import AssetIngested, AssetRestored, AssetWithdrawn
from wakeline_events.labeling import BenchmarkSet, ProjectConfigured
from wakeline_events.prediction import PredictionCompleted, PredictionFailed
from wakeline_events.review import LabelAccepted, LabelSuperseded
from wakeline_messaging import Handlers, NotYetKnownError
from wakeline_training.ports import TrainingUnitOfWork
from wakeline_training.usecases import collecting

handlers = Handlers()


@handlers.on(AssetIngested)
async def on_asset_ingested(event: AssetIngested, uow: TrainingUnitOfWork) -> None:
    collecting.take_asset(uow, event)


@handlers.on(AssetWithdrawn)
async def on_asset_withdrawn(event: AssetWithdrawn, uow: TrainingUnitOfWork) -> None:
    collecting.withdraw(uow, event)


@handlers.on(AssetRestored)
async def on_asset_restored(event: AssetRestored, uow: TrainingUnitOfWork) -> None:
    uow.withdrawals.remove(event.asset_id)


@handlers.on(ProjectConfigured)
async def on_project_configured(event: ProjectConfigured, uow: TrainingUnitOfWork) -> None:
    await collecting.configure(uow, event)


@handlers.on(BenchmarkSet)
async def on_benchmark_set(event: BenchmarkSet, uow: TrainingUnitOfWork) -> None:
    collecting.take_benchmark(uow, event)


@handlers.on(LabelAccepted)
async def on_label_accepted(event: LabelAccepted, uow: TrainingUnitOfWork) -> None:
    stage = await uow.stages.get(event.stage_id)
    if stage is None:
        raise NotYetKnownError(f"project:{event.project_id}")
    await collecting.accept(uow, stage, event)


@handlers.on(LabelSuperseded)
async def on_label_superseded(event: LabelSuperseded, uow: TrainingUnitOfWork) -> None:
    if not await uow.labels.has(event.label_id):
        raise NotYetKnownError(f"label:{event.label_id}")
    collecting.supersede(uow, event)


@handlers.on(PredictionCompleted)
async def on_prediction_completed(event: PredictionCompleted, uow: TrainingUnitOfWork) -> None:
    uow.predictions.completed(event)


@handlers.on(PredictionFailed)
async def on_prediction_failed(event: PredictionFailed, uow: TrainingUnitOfWork) -> None:
    uow.predictions.failed(event)
