"""Tests wait until nothing moves: neither too short nor for what is not there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from wakeline_process.processes import Kind
from wakeline_testing import Scope
from wakeline_testing.running import (
    Offsets,
    Publisher,
    RunningService,
    Topics,
    running,
    settings_of,
    settled,
)

from .toy import ToySettings, ingested, rejected, toy

pytestmark = [pytest.mark.kafka, pytest.mark.mongo]


@pytest.fixture
async def idle(scope: Scope) -> AsyncIterator[RunningService]:
    """Consumes nothing and sends nothing."""
    settings = settings_of(scope, "prediction", ToySettings)
    async with running(toy(settings), scope, Kind.SERVE) as service:
        yield service


@dataclass
class Hiding(RunningService):
    """What moves here is always somewhere else when it is looked for."""

    hops: int = 0

    async def backlog(self, topics: Topics, ends: Offsets) -> dict[str, int]:
        if self.hops:
            self.hops -= 1
            await Publisher(self.scope).publish(ingested(f"a{self.hops}"))
        return {}


async def test_what_goes_from_topic_to_topic_is_waited_for_though_nobody_is_seen_to_have_it(
    idle: RunningService,
) -> None:
    hiding = Hiding(idle.process, idle.scope, hops=3)
    await settled(hiding)
    assert hiding.hops == 0


async def test_what_never_ends_is_said_to_be_on_its_way(idle: RunningService) -> None:
    hiding = Hiding(idle.process, idle.scope, hops=10_000)
    with pytest.raises(TimeoutError, match="events, again and again"):
        await settled(hiding, limit=0.0)


async def test_what_waits_is_named_when_the_time_is_over(idle: RunningService) -> None:
    await Publisher(idle.scope).publish(ingested("a"), rejected("a", "l"))
    with pytest.raises(TimeoutError, match=r"'prediction': \{'lag': 2\}"):
        await settled(idle, limit=0.0)


async def test_a_service_that_is_quiet_in_the_end_is_settled_however_late_it_is(
    idle: RunningService,
) -> None:
    await settled(idle, limit=0.0)
