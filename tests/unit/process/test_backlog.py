"""Room in the outbox: one request looks for all that come meanwhile."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from wakeline_process.backlog import MOST_ROWS, BacklogError, _Room


class Outbox:
    """An outbox that takes a moment to answer, and counts how often it was asked."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.asked = 0

    def __getitem__(self, name: str) -> "Outbox":
        return self

    async def estimated_document_count(self) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        return self.rows

    async def find_one(self, *_: object, **__: object) -> dict[str, Any]:
        return {"time": datetime.now(UTC)}


async def all_at_once(outbox: Outbox) -> list[BaseException | None]:
    room = _Room()
    return await asyncio.gather(*(room.require(outbox) for _ in range(16)), return_exceptions=True)


async def test_one_request_looks_for_all_that_come_meanwhile() -> None:
    outbox = Outbox(rows=3)
    assert await all_at_once(outbox) == [None] * 16
    assert outbox.asked == 1


async def test_all_are_refused_while_too_much_waits() -> None:
    refused = await all_at_once(Outbox(rows=MOST_ROWS + 1))
    assert all(isinstance(error, BacklogError) for error in refused)
