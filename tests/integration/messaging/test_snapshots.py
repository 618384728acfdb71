"""A stream may begin with a snapshot, and only a stream that never began."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from wakeline_messaging import Processor, handling, processing
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


@pytest.mark.parametrize("page", [2, 3, 4, 7])
async def test_snapshots_follow_all_that_is_left_of_their_streams_however_much(
    scope: Scope, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """A topic without its beginning, and all state said again: each stream begins in one batch."""
    monkeypatch.setattr(handling, "PARKED_PAGE", page)
    publisher = Publisher(scope)
    lengths = {"a": 5, "b": 2, "c": 0, "d": 3}
    left, snapshots = [], []
    for name, length in lengths.items():
        publisher.envelope(rejected(name, "lost"))
        left += [publisher.envelope(rejected(name, f"l{n}")) for n in range(length)]
        snapshots.append(replace(publisher.envelope(rejected(name, "said again")), snapshot=True))
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        processor = Processor(handlers, runtime.stores)
        await processor.process([publisher.envelope(ingested(name)) for name in lengths])
        await processor.process(left)
        assert await runtime.database["parked"].count_documents({}) == len(left)
        await processor.process(snapshots)
        await processor.sweep()  # what is more than two pages
        assert await runtime.database["parked"].count_documents({}) == 0
        for name, length in lengths.items():
            answers = runtime.database["outbox"].find({"key": name}, sort=[("sequence", 1)])
            said = [json.loads(row["data"])["reason"] async for row in answers]
            assert said == [*(f"l{n}" for n in range(length)), "said again"], name


async def test_what_is_parked_already_stays_as_it_is_when_it_comes_again(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handling, "PARKED_PAGE", 1)
    publisher = Publisher(scope)
    _, *early = (publisher.envelope(rejected("a", f"l{n}")) for n in range(4))
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        processor = Processor(handlers, runtime.stores)
        await processor.process(early)
        before = await runtime.database["parked"].find().to_list()
        assert len(before) == 3
        await processor.process(early)
        assert await runtime.database["parked"].find().to_list() == before


async def test_a_snapshot_passes_by_nothing_that_failed_before_it_however_much_is_parked(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handling, "PARKED_PAGE", 2)
    publisher = Publisher(scope)
    names = ("lost", "l1", POISON, "l3", "l4")
    _, *left = (publisher.envelope(rejected("a", name)) for name in names)
    snapshot = replace(publisher.envelope(rejected("a", "said again")), snapshot=True)
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        processor = Processor(handlers, runtime.stores)
        await processor.process([publisher.envelope(ingested("a"))])
        await processor.process(left)
        await processor.process([snapshot])
        rows = await runtime.database["parked"].find({}, sort=[("sequence", 1)]).to_list()
        assert [row["reason"] for row in rows] == ["early", "failed", "early", "early", "early"]


async def test_what_was_released_is_handled_with_those_behind_it_and_only_once(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handling, "PARKED_PAGE", 4)
    publisher = Publisher(scope)
    first, *early = (publisher.envelope(rejected("a", f"l{n}")) for n in range(9))
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        processor, parked = Processor(handlers, runtime.stores), runtime.database["parked"]
        await processor.process([publisher.envelope(ingested("a"))])
        await processor.process(early)
        await runtime.database["marks"].insert_one({"_id": first.stream, "sequence": 3})
        await processor.sweep()  # the two that are at or below the mark, and two more
        assert await parked.count_documents({}) == 4
        await processor.sweep()
        assert await parked.count_documents({}) == 0
        assert (await runtime.database["assets"].find_one({"_id": "a"}))["rejected"] == 6
