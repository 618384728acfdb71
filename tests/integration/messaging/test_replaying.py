"""Going back on a running consumer: nothing changes, and what was lost is healed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from wakeline_messaging.kafka import consumer
from wakeline_messaging.replaying import Replays
from wakeline_process.processes import Kind
from wakeline_testing import Scope
from wakeline_testing.interleaving import state_hash
from wakeline_testing.running import Publisher, RunningService, running, settings_of

from .toy import ToySettings, ingested, rejected, toy

pytestmark = [pytest.mark.kafka, pytest.mark.mongo]
URL = "/v1/operations/prediction"


async def ask(service: RunningService, **wanted: Any) -> Any:
    return await service.client("admin").post(f"{URL}/replays", json=wanted)


async def ended(service: RunningService, replay_id: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            answer = await service.client("admin").get(f"{URL}/replays")
            (found,) = [one for one in answer.json()["items"] if one["id"] == replay_id]
            if found["ended_at"]:
                return dict(found)
            await asyncio.sleep(0.1)


async def skipped_by_the_group(scope: Scope, service: str, topic: str) -> None:
    """What an operator's slip, or a broker that lost a disk, does: the group is past an event."""
    settings = settings_of(scope, "prediction", ToySettings).kafka
    client = consumer(settings, f"{scope.topic_prefix}.{service}")
    client.subscribe([topic])
    await client.start()
    while not client.assignment():
        await client.getmany(timeout_ms=100)
    await client.commit(await client.end_offsets(client.assignment()))
    await client.stop()


async def test_a_replayed_topic_changes_no_state_and_says_when_it_has_ended(scope: Scope) -> None:
    publisher = Publisher(scope)
    async with running(toy(settings_of(scope, "prediction", ToySettings)), scope) as service:
        await publisher.publish(*(ingested(f"a{n}") for n in range(40)))
        began = datetime.now(UTC)
        await publisher.publish(*(rejected(f"a{n}", f"l{n}") for n in range(40)))
        await service.settled()
        before = await state_hash(service.database)
        for start in ("beginning", 3, began.isoformat()):
            asked = await ask(service, topic="review", **{"from": start})
            assert asked.status_code == 202, asked.text
            replay = await ended(service, asked.json()["id"])
            assert replay["asked_by"] == "p-test"
            assert sum(p["until"] for p in replay["partitions"]) == 40
            read = sum(p["until"] - p["start"] for p in replay["partitions"])
            assert 0 < read <= 40
        await service.settled()
        assert await state_hash(service.database) == before
        assert await service.database["outbox"].count_documents({}) == 0


async def test_a_lost_event_is_healed_by_a_replay(scope: Scope) -> None:
    publisher = Publisher(scope)
    settings = settings_of(scope, "prediction", ToySettings)
    async with running(toy(settings), scope) as service:
        await publisher.publish(ingested("a"), rejected("a", "first"))
        await service.settled()
    await publisher.publish(rejected("a", "lost"))
    await skipped_by_the_group(scope, "prediction", f"{scope.topic_prefix}.review")
    async with running(toy(settings), scope) as service:
        await publisher.publish(rejected("a", "last"))
        async with asyncio.timeout(20):
            while not await service.database["parked"].count_documents({}):
                await asyncio.sleep(0.1)
        asked = await ask(service, topic=f"{scope.topic_prefix}.review", **{"from": "beginning"})
        await ended(service, asked.json()["id"])
        await service.settled()
        assert (await service.database["assets"].find_one({"_id": "a"}))["rejected"] == 3
        assert await service.database["parked"].count_documents({}) == 0


async def test_replicas_turn_back_the_partitions_that_each_of_them_holds(scope: Scope) -> None:
    publisher = Publisher(scope)
    settings = settings_of(scope, "prediction", ToySettings)
    async with (
        running(toy(settings), scope, Kind.SERVE) as api,
        running(toy(settings), scope, Kind.CONSUME) as one,
        running(toy(settings), scope, Kind.CONSUME),
    ):
        await publisher.publish(*(ingested(f"a{n}") for n in range(30)))
        async with asyncio.timeout(30):
            while await one.database["assets"].count_documents({}) < 30:
                await asyncio.sleep(0.1)
        asked = await ask(api, topic="ingest", **{"from": "beginning"})
        replay = await ended(api, asked.json()["id"])
        assert sum(p["until"] - p["start"] for p in replay["partitions"]) == 30
        assert await one.database["assets"].count_documents({"ingested": 1}) == 30


@pytest.mark.parametrize("step", range(1, 6))
async def test_a_consumer_that_dies_between_two_steps_of_a_replay_leaves_it_to_the_next(
    scope: Scope, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Steps: the plan is noted, the client seeks, the group is turned, that is noted, the end."""

    class Killed(BaseException):
        """Nothing catches it, as nothing catches a SIGKILL."""

    publisher = Publisher(scope)
    settings = settings_of(scope, "prediction", ToySettings)
    topic = f"{scope.topic_prefix}.ingest"
    async with running(toy(settings), scope) as service:
        await publisher.publish(ingested("a"), ingested("b"))
        await service.settled()
    async with running(toy(settings), scope, Kind.SERVE) as service:
        asked = (await ask(service, topic="ingest", **{"from": "beginning"})).json()["id"]
        client = consumer(settings.kafka, f"{scope.topic_prefix}.prediction")
        client.subscribe([topic])
        await client.start()
        while not client.assignment():
            await client.getmany(timeout_ms=100)
        await client.seek_to_committed()
        taken = 0

        def counting(name: str, owner: Any) -> None:
            real = getattr(owner, name)

            async def awaited(*words: Any, **more: Any) -> Any:
                nonlocal taken
                result = await real(*words, **more)
                taken += 1
                if taken == step:
                    raise Killed
                return result

            def plain(*words: Any) -> None:
                nonlocal taken
                real(*words)
                taken += 1
                if taken == step:
                    raise Killed

            monkeypatch.setattr(owner, name, plain if name == "seek" else awaited)

        replays = Replays(service.database)
        counting("_say", replays)
        counting("seek", client)
        counting("commit", client)
        try:
            for _ in range(3):
                replays._next_look = 0.0
                await replays.look(client)
                await client.getmany(timeout_ms=300)
        except Killed:
            pass
        await client.stop()
    async with running(toy(settings), scope) as service:
        replay = await ended(service, asked)
        assert {p["state"] for p in replay["partitions"]} == {"done"}
        assert sum(p["until"] for p in replay["partitions"]) == 2
        await service.settled()
        assert await service.database["assets"].count_documents({"ingested": 1}) == 2


async def test_a_replay_that_makes_no_sense_is_refused_with_what_would(scope: Scope) -> None:
    async with running(toy(settings_of(scope, "prediction", ToySettings)), scope) as service:
        refused = await ask(service, topic="training", **{"from": "beginning"})
        assert (refused.status_code, refused.json()["code"]) == (422, "topic-not-consumed")
        assert f"{scope.topic_prefix}.ingest" in refused.json()["detail"]
        for start in ("yesterday", "2026-03-01T03:00:00", -1):
            assert (await ask(service, topic="ingest", **{"from": start})).status_code == 422


async def test_events_that_kafka_has_lost_are_given_up_one_parked_event_at_a_time(
    scope: Scope,
) -> None:
    publisher = Publisher(scope)
    events = [publisher.envelope(rejected("a", f"l{n}")) for n in range(5)]
    async with running(toy(settings_of(scope, "prediction", ToySettings)), scope) as service:
        await publisher.publish(ingested("a"))
        await publisher.send(events[0], events[2], events[4])
        await service.settled()
        operator = service.client("admin")

        async def skip(row_id: str) -> Any:
            return await operator.post(f"{URL}/parked/skip", params={"id": row_id})

        too_far = await skip(events[4].row_id)
        assert (too_far.status_code, too_far.json()["code"]) == (409, "not-next")
        assert (await skip("nothing")).status_code == 404
        for event in (events[2], events[4]):
            assert (await skip(event.row_id)).status_code == 204
            async with asyncio.timeout(20):
                while await service.database["parked"].find_one({"_id": event.row_id}):
                    await asyncio.sleep(0.1)
        assert (await service.database["assets"].find_one({"_id": "a"}))["rejected"] == 3


async def test_the_backlog_tells_lag_ages_and_counts_of_all_replicas(scope: Scope) -> None:
    publisher = Publisher(scope)
    settings = settings_of(scope, "prediction", ToySettings)
    async with running(toy(settings), scope, Kind.SERVE) as service:
        await publisher.publish(*(ingested(f"a{n}") for n in range(7)), rejected("a0", "l"))
        operator = service.client("admin")
        backlog = (await operator.get(f"{URL}/backlog")).json()
        ingest, review = (f"{scope.topic_prefix}.{name}" for name in ("ingest", "review"))
        assert backlog["lag"] == {ingest: 7, review: 1}
        assert (backlog["taken_in"], backlog["published"]) == (0, 0)
        async with running(toy(settings), scope) as consuming:
            await publisher.publish(rejected("nobody", "waits"))
            await consuming.settled()
            async with asyncio.timeout(20):
                while await consuming.database["outbox"].count_documents({}):
                    await asyncio.sleep(0.1)
        backlog = (await operator.get(f"{URL}/backlog")).json()
        assert backlog["lag"] == {ingest: 0, review: 0}
        assert (backlog["taken_in"], backlog["published"]) == (9, 1)
        assert backlog["waiting"] == 1
        assert backlog["oldest_seconds"]["waiting"] >= 0
        assert "dead" not in backlog["oldest_seconds"]
