"""What this service can say again of its state: which model serves each stage."""

from wakeline_events.base import StageId
from wakeline_events.training import ModelPublished
from wakeline_training.ports import TrainingUnitOfWork
from wakeline_training.usecases.serving import model_of, published


async def serving(
    uow: TrainingUnitOfWork, key: StageId | None, after: str, limit: int
) -> list[tuple[str, ModelPublished]]:
    """A page of stages that a model of their own serves, each with that model."""
    return [
        (stage.stage_id, published(stage, await model_of(uow, stage.serving)))
        for stage in await uow.stages.served(key, after, limit)
        if stage.serving is not None
    ]


STATES = {ModelPublished.TYPE: serving}
