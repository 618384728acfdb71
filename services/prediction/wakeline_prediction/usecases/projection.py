"""What other services say: which tasks there are, how stages are configured, what serves them.

None of this waits for anything: each event writes documents that no event of another stream
writes, so the state is the same in whatever order the streams arrive.
"""

from wakeline_events.base import AssetId
from wakeline_events.labeling import ProjectConfigured, TaskClosed, TaskOpened
from wakeline_events.training import ModelPublished, ModelRetired
from wakeline_prediction.domain.choice import target_id, urgency
from wakeline_prediction.domain.records import Serving, ServingModel, Stage
from wakeline_prediction.ports import PredictionUnitOfWork

PREDICT = "predict"
REPREDICT = "repredict"
RELATE = "relate"


async def open_target(uow: PredictionUnitOfWork, event: TaskOpened) -> None:
    """A task wants a pre-label: soon, for somebody may wait for it."""
    ask(uow, uow.targets.open(event), urgency(event.priority, None))


async def close_target(uow: PredictionUnitOfWork, event: TaskClosed) -> None:
    """Nobody will see a pre-label of this task; training may still want one."""
    uow.targets.close(event)


async def request_prediction(
    uow: PredictionUnitOfWork, stage_id: str, asset_id: str, priority: int
) -> None:
    """A task wants a pre-label of the serving epoch; one that failed is tried again."""
    target = target_id(stage_id, asset_id)
    uow.targets.ask_again(target, priority)
    ask(uow, target, urgency(priority, None))


async def restore_image(uow: PredictionUnitOfWork, asset_id: AssetId) -> None:
    """An image that was withdrawn is back: what had no answer without it is asked for again."""
    waiting = await uow.targets.many(await uow.withdrawals.take(asset_id))
    for target in waiting.values():
        await request_prediction(uow, target.stage_id, asset_id, target.priority)


async def configure_project(uow: PredictionUnitOfWork, event: ProjectConfigured) -> None:
    """Take in a project's stages, and predict again where that changes what predictors say."""
    before = await uow.stages.of_project(event.project_id)
    if any(stage.version >= event.version for stage in before.values()):
        return
    for policy in event.document.stages:
        stage = Stage(
            id=f"{event.project_id}/{policy.name}",
            project_id=event.project_id,
            version=event.version,
            ontology=event.document.ontology,
            predictors=policy.predictors,
        )
        uow.stages.put(stage)
        earlier = before.pop(stage.id, None)
        unchanged = earlier is not None and (
            (earlier.ontology, earlier.predictors) == (stage.ontology, stage.predictors)
        )
        if not unchanged:
            uow.enqueue(REPREDICT, stage.id, {"stage_id": stage.id})
    for stage_id in before:
        uow.stages.remove(stage_id)


async def serve_model(uow: PredictionUnitOfWork, event: ModelPublished) -> None:
    """A model serves a stage from now on."""
    model = ServingModel(version=event.model_version, artefact_key=event.artefact_key)
    await _serve(uow, Serving(stage_id=event.stage_id, epoch=event.serving_epoch, model=model))


async def retire_model(uow: PredictionUnitOfWork, event: ModelRetired) -> None:
    """No model of its own serves a stage any more."""
    await _serve(uow, Serving(stage_id=event.stage_id, epoch=event.serving_epoch))


def ask(uow: PredictionUnitOfWork, target: str, priority: int) -> None:
    """Have a target predicted, unless its answer turns out to be today's."""
    uow.enqueue(PREDICT, target, {"target_id": target}, priority=priority)


async def _serve(uow: PredictionUnitOfWork, serving: Serving) -> None:
    if serving.epoch <= (await uow.servings.get(serving.stage_id)).epoch:
        return
    uow.servings.put(serving)
    for kind in (REPREDICT, RELATE):
        uow.enqueue(kind, serving.stage_id, {"stage_id": serving.stage_id})
