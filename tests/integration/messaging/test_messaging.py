"""Events through real Kafka and MongoDB: in effect once, in order, whatever comes between."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from pymongo.asynchronous.client_session import AsyncClientSession

from wakeline_messaging import (
    Decision,
    KafkaSettings,
    Processor,
    UnitOfWork,
    create_indexes,
    dead,
    handling,
    processing,
)
from wakeline_process.processes import Kind, open_process
from wakeline_process.runtime import Runtime, open_runtime
from wakeline_storage import migrate
from wakeline_testing import Scope
from wakeline_testing.interleaving import interleaved, replayed, state_hash
from wakeline_testing.running import (
    Publisher,
    RunningService,
    published,
    running,
    settings_of,
)

from .toy import POISON, UNSTORABLE, ToySettings, failed, handlers, ingested, rejected, toy

pytestmark = [pytest.mark.kafka, pytest.mark.mongo]


async def retried(runtime: Runtime, row_id: str) -> None:
    """As the operator does."""

    async def body(session: AsyncClientSession) -> None:
        uow = runtime.stores.open(session)
        await dead.retry(uow, row_id, Decision("p-operator"))
        await uow.write()

    await runtime.stores.transactions.run(body)


async def test_events_travel_from_topic_to_state_to_topic(scope: Scope) -> None:
    publisher = Publisher(scope)
    async with running(toy(settings_of(scope, "prediction", ToySettings)), scope) as service:
        await publisher.publish(
            *(ingested(f"a{n}") for n in range(30)),
            *(rejected(f"a{n}", f"l{n}") for n in range(30)),
        )
        await service.settled()
        states = [row async for row in service.database["assets"].find({})]
        assert len(states) == 30
        assert all(row["ingested"] == 1 and row["rejected"] == 1 for row in states)
        assert await service.database["counted"].count_documents({"n": 1}) == 30
    events = await published(scope, "prediction")
    assert sorted(e.event().reason for e in events) == sorted(f"l{n}" for n in range(30))  # type: ignore[attr-defined]
    assert all(e.sequence == 1 for e in events)


async def test_a_replayed_topic_changes_nothing(scope: Scope) -> None:
    publisher = Publisher(scope)
    envelopes = [publisher.envelope(e) for e in (ingested("a"), rejected("a", "l"))]
    async with running(toy(settings_of(scope, "prediction", ToySettings)), scope) as service:
        await publisher.send(*envelopes)
        await service.settled()
        before = await state_hash(service.database)
        await publisher.send(*envelopes, *envelopes)
        await service.settled()
        assert await state_hash(service.database) == before
        assert await service.database["outbox"].count_documents({}) == 0
    assert len(await published(scope, "prediction")) == 1


async def test_any_interleaving_with_redeliveries_gives_one_state(scope: Scope) -> None:
    """40 seeded runs of two topics: what one brings, the other may name too early."""
    publisher = Publisher(scope)
    envelopes = [
        publisher.envelope(event)
        for n in range(4)
        for event in (
            ingested(f"a{n}"),
            *(rejected(f"a{n}", f"l{n}-{k}", weight=k + 1) for k in range(4)),
        )
    ]
    hashes = set()
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        processor = Processor(handlers, runtime.stores)
        for seed in range(40):
            for name in await runtime.database.list_collection_names():
                await runtime.database[name].delete_many({})
            random = Random(seed)
            await replayed(processor, interleaved(envelopes, random), random)
            assert await runtime.database["parked"].count_documents({}) == 0
            assert await runtime.database["waiting"].count_documents({}) == 0
            sent = await runtime.database["outbox"].distinct("key")
            assert len(sent) == 4
            assert await runtime.database["outbox"].count_documents({}) == 16
            hashes.add(await state_hash(runtime.database))
            assert len(hashes) == 1, seed


async def test_all_that_wait_for_one_thing_go_on_once_it_is_there_however_many(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is told everything anew may have a whole topic waiting for one project."""
    monkeypatch.setattr(handling, "PARKED_PAGE", 3)
    monkeypatch.setattr(processing, "SWEEP_PAGE", 2)
    monkeypatch.setattr(handling, "SWEEP_AFTER", timedelta(0))
    publisher = Publisher(scope)
    early = [publisher.envelope(rejected("a", f"l{n}")) for n in range(20)]
    stranger = publisher.envelope(rejected("b", "l"))
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        processor = Processor(handlers, runtime.stores)
        await processor.process([*early, stranger])
        await processor.process([publisher.envelope(ingested("a"))])
        assert await runtime.database["waiting"].count_documents({}) == 18
        await processor.sweep()
        (left,) = [row async for row in runtime.database["waiting"].find({})]
        assert left["_id"] == stranger.row_id
        assert (await runtime.database["assets"].find_one({"_id": "a"}))["rejected"] == 20
        answers = [row async for row in runtime.database["outbox"].find({}).sort("sequence", 1)]
        assert [row["sequence"] for row in answers] == list(range(1, 21))


async def test_a_sweep_writes_once_for_all_that_wait_for_one_thing(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing after each would outlast a transaction's limit on a busy machine, for ever."""
    monkeypatch.setattr(handling, "SWEEP_AFTER", timedelta(0))
    publisher = Publisher(scope)
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        processor = Processor(handlers, runtime.stores)
        await processor.process([publisher.envelope(rejected("a", f"l{n}")) for n in range(60)])
        # As if the asset had come in a transaction that did not see yet what waits for it.
        await runtime.database["assets"].insert_one({"_id": "a", "rejected": 0})
        wrote = 0
        write = UnitOfWork.write

        async def counted(uow: UnitOfWork[Any]) -> None:
            nonlocal wrote
            wrote += 1
            await write(uow)

        monkeypatch.setattr(UnitOfWork, "write", counted)
        await processor.sweep()
        assert await runtime.database["waiting"].count_documents({}) == 0
        assert (await runtime.database["assets"].find_one({"_id": "a"}))["rejected"] == 60
        assert wrote < 10


async def test_a_bad_event_among_those_that_wait_dies_alone(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "RETRY_AFTER", ())
    monkeypatch.setattr(handling, "SWEEP_AFTER", timedelta(0))
    monkeypatch.setattr(handling, "FEW", 3)
    publisher = Publisher(scope)
    many = [*(f"l{n}" for n in range(9)), POISON, UNSTORABLE, *(f"m{n}" for n in range(9))]
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        processor = Processor(handlers, runtime.stores)
        await processor.process([publisher.envelope(rejected("a", name)) for name in many])
        await runtime.database["assets"].insert_one({"_id": "a", "rejected": 0})
        for _ in range(3):  # one for each bad one at most, and one more
            await processor.sweep()
        assert await runtime.database["waiting"].count_documents({}) == 0
        assert await runtime.database["dead"].count_documents({}) == 2
        assert (await runtime.database["assets"].find_one({"_id": "a"}))["rejected"] == 18


@pytest.mark.parametrize("known", ["in a batch", "in a sweep"])
async def test_an_event_that_had_waited_is_tried_as_often_as_any_other(
    scope: Scope, monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    monkeypatch.setattr(processing, "RETRY_AFTER", (0.0, 3600.0, 0.0, 0.0))
    monkeypatch.setattr(handling, "SWEEP_AFTER", timedelta(0))
    publisher = Publisher(scope)
    bad, after = (publisher.envelope(rejected("a", name)) for name in (POISON, "after"))
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        processor = Processor(handlers, runtime.stores)
        await processor.process([bad, after])
        waiting, died = runtime.database["waiting"], runtime.database["dead"]
        since = (await waiting.find_one({"_id": bad.row_id}))["since"]
        if known == "in a batch":
            await processor.process([publisher.envelope(ingested("a"))])
        else:
            await runtime.database["assets"].insert_one({"_id": "a"})
            await processor.sweep()
        await processor.sweep()
        await processor.sweep()
        assert (await runtime.database["assets"].find_one({"_id": "a"}))["rejected"] == 1
        (left,) = await waiting.find().to_list()
        assert (left["_id"], left["tries"], left["since"]) == (bad.row_id, 2, since)
        assert "cannot be understood" in left["cause"]
        again = publisher.envelope(ingested("a"))  # what it waited for is said once more
        await processor.process([again])
        for tries in (3, 4, 5):
            assert await died.count_documents({}) == 0, tries
            due = datetime(2000, 1, 1, tzinfo=UTC)
            await waiting.update_many({}, {"$set": {"next_try": due}})
            await processor.sweep()
        (given_up,) = await died.find().to_list()
        assert (given_up["_id"], given_up["tries"], given_up["since"]) == (bad.row_id, 5, since)
        assert await waiting.count_documents({}) == 0
        mended = rejected("a", "fine").model_dump_json().encode()
        await died.update_one({}, {"$set": {"data": mended}})
        await retried(runtime, bad.row_id)
        await processor.sweep()
        assert await waiting.count_documents({}) == await died.count_documents({}) == 0
        assert (await runtime.database["assets"].find_one({"_id": "a"}))["rejected"] == 2


async def test_a_lost_event_shows_as_a_gap_and_holds_back_its_own_key_only(scope: Scope) -> None:
    publisher = Publisher(scope)
    events = [rejected("a", f"l{n}") for n in range(3)]
    first, lost, last = (publisher.envelope(e) for e in events)
    async with running(toy(settings_of(scope, "prediction", ToySettings)), scope) as service:
        await publisher.publish(ingested("a"), ingested("b"))
        await publisher.send(first, last)
        await publisher.publish(rejected("b", "other"))
        await service.settled()
        assert (await service.database["assets"].find_one({"_id": "a"}))["rejected"] == 1
        assert (await service.database["assets"].find_one({"_id": "b"}))["rejected"] == 1
        parked = await service.database["parked"].find_one({})
        assert (parked["sequence"], parked["reason"]) == (3, "early")
        await publisher.send(lost)
        await service.settled()
        assert (await service.database["assets"].find_one({"_id": "a"}))["rejected"] == 3
        assert await service.database["parked"].count_documents({}) == 0


@pytest.mark.parametrize("bad", [POISON, UNSTORABLE])
async def test_a_bad_event_dies_with_its_cause_and_goes_on_in_sequence_afterwards(
    scope: Scope, monkeypatch: pytest.MonkeyPatch, bad: str
) -> None:
    monkeypatch.setattr(processing, "RETRY_AFTER", (0.0, 0.0))
    publisher = Publisher(scope)
    async with running(toy(settings_of(scope, "prediction", ToySettings)), scope) as service:
        await publisher.publish(ingested("a"), ingested("b"))
        await service.settled()
        await publisher.publish(
            rejected("a", "before"), rejected("a", bad), rejected("a", "after"), rejected("b", "x")
        )
        async with asyncio.timeout(60):
            while not await service.database["dead"].count_documents({}):
                await asyncio.sleep(0.1)
        await service.settled()
        assert (await service.database["assets"].find_one({"_id": "a"}))["rejected"] == 1
        assert (await service.database["assets"].find_one({"_id": "b"}))["rejected"] == 1
        operator = service.client("admin")
        (dead,) = (await operator.get("/v1/operations/prediction/events/dead")).json()["items"]
        assert dead["type"] == "label.rejected"
        assert "cannot be understood" in dead["cause"] or "duplicate key" in dead["cause"]
        answer = await operator.post(
            "/v1/operations/prediction/dead/discard", params={"id": dead["id"]}
        )
        assert answer.status_code == 204
        async with asyncio.timeout(60):
            while await service.database["parked"].count_documents({}):
                await asyncio.sleep(0.1)
        assert (await service.database["assets"].find_one({"_id": "a"}))["rejected"] == 2


async def test_a_dead_event_that_is_mended_is_retried_in_sequence(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "RETRY_AFTER", ())
    publisher = Publisher(scope)
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        processor = Processor(handlers, runtime.stores)
        bad = publisher.envelope(rejected("a", POISON))
        await processor.process([publisher.envelope(ingested("a"))])
        await processor.process([bad, publisher.envelope(rejected("a", "after"))])
        assert await runtime.database["dead"].count_documents({}) == 1
        # Redelivery of a dead event does not bring it back.
        await processor.process([bad])
        assert await runtime.database["dead"].count_documents({}) == 1
        mended = rejected("a", "fine").model_dump_json().encode()
        for name in ("dead", "parked"):
            await runtime.database[name].update_one({"_id": bad.row_id}, {"$set": {"data": mended}})
        await retried(runtime, bad.row_id)
        await processor.sweep()
        await processor.sweep()
        assert await runtime.database["parked"].count_documents({}) == 0
        assert await runtime.database["dead"].count_documents({}) == 0
        assert (await runtime.database["assets"].find_one({"_id": "a"}))["rejected"] == 2


async def test_a_newer_major_stops_the_consumer_and_kills_nothing(scope: Scope) -> None:
    publisher = Publisher(scope)
    newer = replace(publisher.envelope(ingested("a")), dataschema="events/asset.ingested/2.json")
    async with running(toy(settings_of(scope, "prediction", ToySettings)), scope) as service:
        await publisher.send(newer)
        async with asyncio.timeout(10):
            while True:
                ready = await service.client("admin").get("/health/ready")
                if "UnknownMajor" in str(ready.json()["checks"]["consumer"]):
                    break
                await asyncio.sleep(0.1)
        assert ready.status_code == 503
        async with asyncio.timeout(20):
            wanted = {'wakeline_consumer_waits{cause="newer-release"} 1.0'}
            wanted.add('wakeline_ready{check="consumer"} 0.0')
            while not wanted <= set((await service.client().get("/metrics")).text.splitlines()):
                await asyncio.sleep(0.2)
        assert (await service.client("admin").get("/health/live")).status_code == 200
        assert await service.database["dead"].count_documents({}) == 0
        assert await service.database["parked"].count_documents({}) == 0


async def test_requests_are_answered_while_kafka_is_away_and_what_is_to_be_sent_waits(
    scope: Scope,
) -> None:
    away = KafkaSettings(bootstrap="127.0.0.1:1", topic_prefix=scope.topic_prefix)
    service = toy(settings_of(scope, "prediction", ToySettings, kafka=away))
    async with open_runtime(service) as runtime:
        await migrate(runtime.database, service.migrations, create_indexes)
    for kind, status in ((Kind.SERVE, 200), (Kind.ALL, 503)):
        async with open_process(service, kind) as process:
            ready = await RunningService(process, scope).client().get("/health/ready")
            assert ready.status_code == status, ready.text


async def test_streams_that_several_processes_begin_and_move_at_once_have_no_hole(
    scope: Scope,
) -> None:
    """Each transaction emits for some streams that are there and some that are new."""
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        await create_indexes(runtime.database)

        async def emit(first: int) -> None:
            async def body(session: AsyncClientSession) -> None:
                uow = runtime.stores.open(session)
                for n in range(first, first + 8):
                    uow.emit(*(failed(f"a{n}", f"{first}.{k}") for k in range(1 + n % 3)))
                await uow.write()

            await runtime.stores.transactions.run(body)

        await asyncio.gather(*(emit(first) for first in range(12)))
        rows = [row async for row in runtime.database["outbox"].find({})]
        found: dict[str, list[int]] = {}
        for row in rows:
            found.setdefault(row["key"], []).append(row["sequence"])
        assert len(rows) == sum(1 + n % 3 for first in range(12) for n in range(first, first + 8))
        assert all(sorted(s) == list(range(1, len(s) + 1)) for s in found.values())
        last = {row["_id"]: row["sequence"] async for row in runtime.database["streams"].find()}
        assert last == {key: len(sequences) for key, sequences in found.items()}


async def test_one_bad_event_among_many_costs_a_few_transactions(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = Publisher(scope)
    many = [publisher.envelope(ingested(f"a{n}")) for n in range(128)]
    bad = [publisher.envelope(rejected("a5", POISON)), publisher.envelope(rejected("a5", "after"))]
    async with open_runtime(toy(settings_of(scope, "prediction", ToySettings))) as runtime:
        await create_indexes(runtime.database)
        ran = 0
        run = runtime.stores.transactions.run

        async def counted(*given: Any) -> Any:
            nonlocal ran
            ran += 1
            return await run(*given)

        monkeypatch.setattr(runtime.stores.transactions, "run", counted)
        await Processor(handlers, runtime.stores).process([*many[:60], *bad, *many[60:]])
        assert ran < 30
        assert await runtime.database["assets"].count_documents({"ingested": 1}) == 128
        assert await runtime.database["assets"].count_documents({"rejected": {"$gt": 0}}) == 0
        parked = [row async for row in runtime.database["parked"].find({}, sort=[("sequence", 1)])]
        assert [row["reason"] for row in parked] == ["failed", "early"]
