"""Takes in what predictors say: pre-labels, failures, and which model serves a stage."""

from datetime import timedelta

from wakeline_events.labeling import PredictionRequested
from wakeline_events.prediction import PredictionCompleted, PredictionFailed
from wakeline_labeling.domain.records import Answer, Pin, Prelabel
from wakeline_labeling.ports import UnitOfWork
from wakeline_messaging import NotYetKnownError

LOW_WATER = 200
"""With fewer fresh pre-labels in a queue, more are asked for."""
REQUESTED = 500
"""So many are asked for at a time."""
PATIENCE = timedelta(seconds=60)
"""So long after a publish the predictors are at work on the next tasks unasked."""


async def take_prediction(uow: UnitOfWork, event: PredictionCompleted) -> None:
    """Make a prediction the pre-label of its task, unless a later epoch has spoken.

    A lease that is out keeps the one it has pinned.
    """
    await _refuse_unknown(uow, event.task_id)
    uow.prelabels.put(Prelabel(id=event.prediction_id, task_id=event.task_id, shapes=event.shapes))
    pin = Pin(
        prediction_id=event.prediction_id,
        predictor=event.predictor,
        predictor_version=event.predictor_version,
        serving_epoch=event.serving_epoch,
    )
    answer = Answer(epoch=event.serving_epoch, pin=pin, uncertainty=event.uncertainty)
    uow.slots.answer(event.task_id, answer)


async def take_failure(uow: UnitOfWork, event: PredictionFailed) -> None:
    """Let a task be leased without a pre-label: what served before does not serve any more."""
    await _refuse_unknown(uow, event.task_id)
    uow.slots.answer(event.task_id, Answer(epoch=event.serving_epoch))


async def serve(
    uow: UnitOfWork, stage_id: str, serving_epoch: int, model_version: str | None
) -> None:
    """Note what serves a stage since an epoch; None: its predictors without a model of its own."""
    if await uow.projects.stage_state(stage_id) is None:
        raise NotYetKnownError(f"project:{stage_id.partition('/')[0]}")
    uow.projects.serve(stage_id, serving_epoch, model_version, uow.now)


async def request_predictions(uow: UnitOfWork) -> None:
    """Ask for more pre-labels of the serving epoch where a queue runs low on them."""
    for state in await uow.projects.page_of_stages():
        if state.served_since is None or uow.now - state.served_since < PATIENCE:
            continue
        epoch = state.serving_epoch
        if await uow.slots.count_fresh(state.id, epoch, limit=LOW_WATER) == LOW_WATER:
            continue
        slots = await uow.slots.to_request(state.id, epoch, limit=REQUESTED)
        tasks = {slot.task_id: slot for slot in slots}
        for task_id, slot in tasks.items():
            uow.emit(
                PredictionRequested(
                    asset_id=slot.asset.asset_id,
                    stage_id=slot.stage_id,
                    task_id=task_id,
                    priority=slot.priority,
                )
            )
        if slots:
            uow.slots.note_requested([slot.id for slot in slots], epoch)


async def _refuse_unknown(uow: UnitOfWork, task_id: str) -> None:
    if not await uow.tasks.exists(task_id):
        raise NotYetKnownError(f"task:{task_id}")
