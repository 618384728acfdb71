"""Which event causes which use case."""

from wakeline_events.ingest import AssetIngested, AssetRestored, AssetWithdrawn
from wakeline_events.prediction import PredictionCompleted, PredictionFailed
from wakeline_events.review import LabelAccepted, LabelRejected, LabelSuperseded
from wakeline_events.training import ModelPublished, ModelRetired
from wakeline_labeling.ports import UnitOfWork
from wakeline_labeling.usecases import answering, opening, verdicts, withdrawing
from wakeline_messaging import Handlers, Reads

handlers = Handlers()


@handlers.on(AssetIngested)
async def on_asset_ingested(event: AssetIngested, uow: UnitOfWork) -> None:
    await opening.take_in(uow, event.asset)


@handlers.on(AssetWithdrawn)
async def on_asset_withdrawn(event: AssetWithdrawn, uow: UnitOfWork) -> None:
    await withdrawing.withdraw(uow, event.asset_id)


@handlers.on(AssetRestored)
async def on_asset_restored(event: AssetRestored, uow: UnitOfWork) -> None:
    await withdrawing.restore(uow, event.asset_id)


@handlers.on(PredictionCompleted)
async def on_prediction_completed(event: PredictionCompleted, uow: UnitOfWork) -> None:
    await answering.take_prediction(uow, event)


@handlers.on(PredictionFailed)
async def on_prediction_failed(event: PredictionFailed, uow: UnitOfWork) -> None:
    await answering.take_failure(uow, event)


def _judged(event: LabelAccepted) -> Reads:
    return {"labels": {event.label_id, *event.merged_from}, "tasks": {event.task_id}}


@handlers.on(LabelAccepted, reads=_judged)
async def on_label_accepted(event: LabelAccepted, uow: UnitOfWork) -> None:
    await verdicts.accept(uow, event)


@handlers.on(LabelRejected)
async def on_label_rejected(event: LabelRejected, uow: UnitOfWork) -> None:
    await verdicts.send_back(uow, event)


@handlers.on(LabelSuperseded)
async def on_label_superseded(event: LabelSuperseded, uow: UnitOfWork) -> None:
    await verdicts.correct(uow, event)


@handlers.on(ModelPublished)
async def on_model_published(event: ModelPublished, uow: UnitOfWork) -> None:
    await answering.serve(uow, event.stage_id, event.serving_epoch, event.model_version)


@handlers.on(ModelRetired)
async def on_model_retired(event: ModelRetired, uow: UnitOfWork) -> None:
    await answering.serve(uow, event.stage_id, event.serving_epoch, None)
