"""How many pictures a process of the prediction service has in memory."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from wakeline_prediction.domain.errors import CannotAnswerError
from wakeline_prediction.usecases.predicting import AT_ONCE, World, _outcome


class Counting:
    """Cannot answer, and knows how many were asked at the same time."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def predict(self, question: Any) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1
        raise CannotAnswerError("none", "nothing is seen here")


def test_batches_that_run_at_the_same_time_share_the_places() -> None:
    predictor = Counting()
    candidate = SimpleNamespace(adapter="own", predictor="own", upload=None)
    assignment: Any = SimpleNamespace(
        first_choice="own",
        withdrawn=False,
        candidates=[candidate],
        uploads={},
        stage=SimpleNamespace(ontology=None),
    )

    async def batch(world: World) -> None:
        await asyncio.gather(*(_outcome(assignment, world) for _ in range(8)))

    async def two_batches() -> None:
        world = World(cast(Any, None), {"own": cast(Any, predictor)}, {})
        await asyncio.gather(batch(world), batch(world))

    asyncio.run(two_batches())
    assert predictor.most == AT_ONCE
