"""How many events a processor dares to take in at once."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from pymongo.errors import PyMongoError

from wakeline_messaging import Envelope, Handlers, Processor
from wakeline_messaging.processing import BATCH, Stores
from wakeline_storage.transactions import TransactionTimeoutError


class OnASlowMachine(Processor):
    """MongoDB aborts what holds more events than fit into its limit."""

    def __init__(self) -> None:
        super().__init__(Handlers(), cast(Stores, None))
        self.fit = 10
        self.tried: list[int] = []
        self.taken_in: list[Any] = []

    async def _in_one_transaction(
        self, events: Sequence[Envelope], *, careful: bool = False
    ) -> None:
        self.tried.append(len(events))
        if len(events) > self.fit:
            raise TransactionTimeoutError(PyMongoError("Transaction has been aborted"))
        self.taken_in.extend(events)


def test_what_takes_longer_than_a_transaction_may_is_not_tried_again_with_every_batch() -> None:
    processor = OnASlowMachine()
    events = cast(list[Envelope], list(range(BATCH)))

    def take_in() -> float:
        """The share of the tries that were in vain."""
        processor.tried.clear()
        asyncio.run(processor.process(events))
        return sum(length > processor.fit for length in processor.tried) / len(processor.tried)

    first, second = take_in(), take_in()
    assert processor.taken_in == [*events, *events]
    assert max(processor.tried) <= 2 * processor.fit
    assert second < 0.2 < first

    processor.fit = BATCH
    while processor.tried != [BATCH]:
        assert take_in() == 0
