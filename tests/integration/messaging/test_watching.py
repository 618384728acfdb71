"""What a process measures of itself, and when it ends because it cannot go on."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from wakeline_embedded.ports import free_port
from wakeline_process.measuring import measure
from wakeline_process.runtime import open_runtime
from wakeline_process.watching import ClientStuckError, watch_client
from wakeline_storage import MongoSettings
from wakeline_testing import Scope
from wakeline_testing.running import settings_of

from .toy import ToySettings, toy

pytestmark = [pytest.mark.kafka, pytest.mark.mongo]
SOON = timedelta(seconds=0.5)


async def test_a_job_that_was_asked_for_ahead_waits_only_from_its_time_on(scope: Scope) -> None:
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:

        async def ask(session: Any) -> None:
            uow = runtime.stores.open(session)
            for kind, begins in (("late", -2), ("early", 2), ("tried", 2)):
                uow.enqueue(kind, "one", {}, not_before=uow.now + timedelta(hours=begins))
            await uow.write()

        await runtime.stores.transactions.run(ask)
        long_ago = {"created_at": runtime.stores.open(None).now - timedelta(hours=5)}
        await runtime.database["jobs"].update_many({}, {"$set": long_ago})
        await runtime.database["jobs"].update_one({"kind": "tried"}, {"$set": {"attempt": 1}})
        stop = asyncio.Event()

        async def once() -> Mapping[str, str | None]:
            stop.set()
            return {}

        await measure(runtime, once, stop)
        hours = {kind: round((_oldest(kind) or 0) / 3600, 1) for kind in ("late", "early", "tried")}
        assert hours == {"late": 2.0, "early": 0.0, "tried": 5.0}


async def test_a_client_that_is_stuck_alone_ends_its_process(scope: Scope) -> None:
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        stop = asyncio.Event()
        watching = asyncio.create_task(watch_client(runtime, stop, SOON))
        await asyncio.sleep(2)
        assert not watching.done(), "it is answered"
        topology = runtime.client._topology
        assert topology is not None
        async with topology._lock:  # as if nobody ever gave it back
            with pytest.raises(ClientStuckError):
                await watching


async def test_a_database_that_answers_nobody_is_waited_for(scope: Scope) -> None:
    nobody = f"mongodb://127.0.0.1:{free_port()}/?directConnection=true"
    mongo = MongoSettings(dsn=SecretStr(nobody), database="away")
    settings = settings_of(scope, "prediction", ToySettings).model_copy(update={"mongo": mongo})
    async with open_runtime(toy(settings)) as runtime:
        stop = asyncio.Event()
        watching = asyncio.create_task(watch_client(runtime, stop, SOON))
        await asyncio.sleep(8)
        assert not watching.done()
        stop.set()
        await watching


def _oldest(kind: str) -> float | None:
    labels = {"kind": kind, "state": "queued"}
    return REGISTRY.get_sample_value("wakeline_job_oldest_seconds", labels)
