"""A relay that is told of events by its own process, instead of listening to the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from wakeline_messaging import Relay
from wakeline_process.runtime import Runtime, open_runtime
from wakeline_testing import Scope
from wakeline_testing.running import published, settings_of

from .toy import ToySettings, failed, toy

pytestmark = [pytest.mark.kafka, pytest.mark.mongo]


@asynccontextmanager
async def relaying(scope: Scope) -> AsyncIterator[tuple[Runtime, Relay]]:
    """A process that relays, and whoever writes in it rings."""
    await scope.make_topics("prediction")
    settings = settings_of(scope, "prediction", ToySettings)
    async with open_runtime(toy(settings)) as runtime:
        relay = Relay(runtime.database, "prediction", settings.kafka, runtime.bell)
        stop = asyncio.Event()
        running = asyncio.create_task(relay.run(stop))
        async with asyncio.timeout(60):
            yield runtime, relay
            while await runtime.database["outbox"].count_documents({}):
                await asyncio.sleep(0.02)
        stop.set()
        await running


async def reasons(scope: Scope) -> list[str]:
    return [e.event().reason for e in await published(scope, "prediction")]  # type: ignore[attr-defined]


async def emit(runtime: Runtime, label_id: str, takes: float) -> None:
    """Emit an event in a transaction that commits so many seconds after it was written."""

    async def body(session: AsyncClientSession) -> None:
        uow = runtime.stores.open(session)
        uow.emit(failed("asset", label_id))
        await uow.write()
        await asyncio.sleep(takes)

    await runtime.stores.transactions.run(body)


@pytest.mark.parametrize("takes", [0.0, 0.4])
async def test_events_are_sent_however_long_their_transactions_take_to_commit(
    scope: Scope, takes: float
) -> None:
    async with relaying(scope) as (runtime, _):
        for number in range(3):
            await emit(runtime, f"l{number}", takes)
    assert await reasons(scope) == ["l0", "l1", "l2"]


async def test_events_of_other_processes_are_found_without_a_bell_having_rung(scope: Scope) -> None:
    other_settings = settings_of(scope, "prediction", ToySettings)
    async with relaying(scope) as (_, relay), open_runtime(toy(other_settings)) as other:
        while relay.trouble is not None:
            await asyncio.sleep(0.02)
        await emit(other, "theirs", takes=0.0)
    assert await reasons(scope) == ["theirs"]
