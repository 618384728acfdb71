"""What is predicted again once something else serves a stage."""

from collections.abc import Awaitable, Callable

from wakeline_events.base import StageId
from wakeline_prediction.domain.choice import urgency
from wakeline_prediction.domain.records import Target
from wakeline_prediction.ports import PredictionUnitOfWork, Steps
from wakeline_prediction.usecases.projection import REPREDICT, ask

PAGE = 500
"""Targets that one transaction asks for."""


async def repredict(steps: Steps, stage_id: StageId, limit: int) -> None:
    """Ask for predictions of a stage's targets under what serves it now.

    All that nobody has answered for, all hold-out targets, open or closed, since the gate scores
    what serves on them, and the ``limit`` most urgent of the others that are open. Targets whose
    answer is today's already cost no more than a look.
    """
    await _in_pages(steps, lambda uow, after: uow.targets.unanswered(stage_id, after, PAGE))
    await _in_pages(steps, lambda uow, after: uow.targets.holdout(stage_id, after, PAGE))
    found: list[Target] = []

    async def look(uow: PredictionUnitOfWork) -> None:
        found[:] = await uow.targets.most_urgent(stage_id, limit)

    await steps.transaction(look)
    for page in _batched(found):
        await steps.transaction(_asking(page))


async def relate(steps: Steps, stage_id: StageId) -> None:
    """Have the stages that are related to one predicted again, since its model is another.

    A job of its own, after the commit: it sees a stage that was related at the same moment. And
    one that ends there: what is predicted again is no other model, so nothing goes round in
    circles, whoever is related to whom.
    """

    async def body(uow: PredictionUnitOfWork) -> None:
        for each in await uow.stages.related_to(stage_id):
            uow.enqueue(REPREDICT, each, {"stage_id": each})

    await steps.finish(body)


async def _in_pages(
    steps: Steps, read: Callable[[PredictionUnitOfWork, str], Awaitable[list[Target]]]
) -> None:
    after = ""
    while True:
        page: list[Target] = []

        async def step(
            uow: PredictionUnitOfWork, after: str = after, page: list[Target] = page
        ) -> None:
            page[:] = await read(uow, after)
            await _asking(page)(uow)

        await steps.transaction(step)
        if len(page) < PAGE:
            return
        after = page[-1].id


def _asking(targets: list[Target]) -> Callable[[PredictionUnitOfWork], Awaitable[None]]:
    async def body(uow: PredictionUnitOfWork) -> None:
        for target in targets:
            uncertainty = target.answer.uncertainty if target.answer else None
            ask(uow, target.id, urgency(target.priority, uncertainty))

    return body


def _batched(targets: list[Target]) -> list[list[Target]]:
    return [targets[first : first + PAGE] for first in range(0, len(targets), PAGE)]
