"""The consumer dies by SIGKILL while events come: each is kept once, and a reader passes none."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from wakeline_lineage.settings import Settings
from wakeline_lineage.wiring import service
from wakeline_process.processes import Kind
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, running, settings_of

from . import loop
from .conftest import Witness
from .processes import started

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]

KILLS = 2
IMAGES = 60


async def publish(publisher: Publisher, envelopes: list[Any]) -> None:
    for start in range(0, len(envelopes), 60):
        await publisher.send(*envelopes[start : start + 60])


@pytest.mark.timeout(280)
async def test_a_consumer_killed_at_work_keeps_every_event_once_and_in_a_readable_order(
    scope: Scope, tmp_path: Path
) -> None:
    settings = settings_of(scope, "lineage", Settings)
    publisher, log = Publisher(scope), tmp_path / "log"
    async with running(service(settings), scope, Kind.SERVE) as process:
        events = [event for number in range(IMAGES) for event in loop.labeled(number)]
        envelopes = [publisher.envelope(event) for event in events]
        history = process.database["history"]
        positions: list[int] = []

        async def read_along() -> None:
            """Page by position all the while, as a feed does."""
            while len(positions) < len(envelopes):
                after = positions[-1] if positions else 0
                rows = history.find({"position": {"$gt": after}}).sort("position").limit(50)
                positions.extend([row["position"] async for row in rows])
                await asyncio.sleep(0.01)

        publishing = asyncio.create_task(publish(publisher, envelopes))
        reading = asyncio.create_task(read_along())
        for kill in range(KILLS + 1):
            consumer = await started(settings, "consume", log)
            enough = len(envelopes) * (kill + 1) // (KILLS + 1)
            while len(positions) < enough:
                assert consumer.returncode is None, log.read_text()[-3_000:]
                await asyncio.sleep(0.01)
            consumer.kill()
            await consumer.wait()
        await publishing
        await reading
        assert positions == await history.distinct("position"), "the reader passed nothing"
        found = await Witness(process, publisher).get("/v1/history/gaps")
        assert (found["events"], found["gaps"]) == (len(envelopes), [])
        assert found["streams"] == IMAGES * 4
        for name in ("dead", "parked", "waiting"):
            assert await process.database[name].count_documents({}) == 0
