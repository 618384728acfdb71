"""A stream may begin with a snapshot, and only a stream that never began."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wakeline_messaging import Processor, processing
from wakeline_process.runtime import open_runtime
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, settings_of

from .toy import POISON, ToySettings, handlers, ingested, rejected, toy

pytestmark = [pytest.mark.kafka, pytest.mark.mongo]


async def test_a_newcomer_begins_with_the_snapshot_and_goes_on_in_sequence(scope: Scope) -> None:
    publisher = Publisher(scope)
    lost, left, snapshot, after = (publisher.envelope(rejected("a", f"l{n}")) for n in range(4))
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        processor = Processor(handlers, runtime.stores)
        await processor.process([publisher.envelope(ingested("a"))])
        await processor.process([left])
        assert await runtime.database["parked"].count_documents({}) == 1
        await processor.process([replace(snapshot, snapshot=True)])
        assert await runtime.database["parked"].count_documents({}) == 0
        await processor.process([after, left, lost])
        asset = await runtime.database["assets"].find_one({"_id": "a"})
        assert asset["rejected"] == 3, "what was left before it, the snapshot, and what follows"


async def test_who_has_begun_a_stream_still_sees_what_was_lost(scope: Scope) -> None:
    publisher = Publisher(scope)
    first, lost, snapshot = (publisher.envelope(rejected("a", f"l{n}")) for n in range(3))
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        processor = Processor(handlers, runtime.stores)
        await processor.process([publisher.envelope(ingested("a")), first])
        await processor.process([replace(snapshot, snapshot=True)])
        assert await runtime.database["parked"].count_documents({"reason": "early"}) == 1
        await processor.process([lost])
        assert (await runtime.database["assets"].find_one({"_id": "a"}))["rejected"] == 3


async def test_a_snapshot_does_not_pass_by_a_first_event_that_failed(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "RETRY_AFTER", ())
    publisher = Publisher(scope)
    poison, lost, snapshot = (publisher.envelope(rejected("a", n)) for n in (POISON, "l1", "l2"))
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        processor = Processor(handlers, runtime.stores)
        await processor.process([publisher.envelope(ingested("a"))])
        await processor.process([poison])
        await processor.process([replace(snapshot, snapshot=True)])
        assert await runtime.database["dead"].count_documents({}) == 1
        assert await runtime.database["parked"].count_documents({"reason": "early"}) == 1
        assert (await runtime.database["assets"].find_one({"_id": "a"})).get("rejected") is None
        assert lost.sequence == 2
