"""What takes many steps, killed between and within them: done once it is asked for again."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from wakeline_embedded.ports import free_port
from wakeline_labeling.settings import Settings
from wakeline_labeling.wiring import service
from wakeline_process.processes import Kind
from wakeline_process.service import HttpSettings
from wakeline_testing import Scope
from wakeline_testing.interleaving import state_hash
from wakeline_testing.own_process import own_process
from wakeline_testing.running import Publisher, published, running, settings_of

from .conftest import Lab

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3, pytest.mark.timeout(300)]


async def test_a_replay_whose_consumers_are_killed_ends_and_changes_nothing(scope: Scope) -> None:
    publisher = Publisher(scope)
    chance = Random(11)
    settings = settings_of(scope, "labeling", Settings)
    own = settings_of(scope, "labeling", Settings, http=HttpSettings(port=free_port()))
    async with running(service(settings), scope) as whole:
        lab = Lab(whole, publisher)
        await lab.configure()
        await lab.ingest(range(300))
        before = await state_hash(whole.database)
        events = len(await published(scope, "labeling"))
    async with running(service(settings), scope, Kind.SERVE) as api:
        operator = api.client("admin")
        rows = api.database["replays"]
        wanted = {"topic": "ingest", "from": "beginning"}
        asked = await operator.post("/v1/operations/labeling/replays", json=wanted)
        assert asked.status_code == 202, asked.text
        replay_id = asked.json()["id"]

        async def parts() -> list[dict[str, Any]]:
            row = await rows.find_one({"_id": replay_id})
            assert row is not None
            return [*row["partitions"].values()]

        for _ in range(3):
            begun = len(await parts())
            async with own_process(service(own), Kind.CONSUME) as consumer:
                async with asyncio.timeout(60):
                    while (found := await parts()) == [] or (
                        len(found) == begun and not all("turned" in one for one in found)
                    ):
                        await asyncio.sleep(0.002)
                await asyncio.sleep(chance.uniform(0, 0.02))
                consumer.kill()
        async with own_process(service(own), Kind.CONSUME), asyncio.timeout(120):
            while (await rows.find_one({"_id": replay_id}))["ended_at"] is None:
                await asyncio.sleep(0.1)
        assert sum(one["until"] - one["from"] for one in await parts()) == 300
        assert await state_hash(api.database) == before
    assert len(await published(scope, "labeling")) == events
