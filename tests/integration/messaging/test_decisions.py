"""What operators decide about events and jobs in trouble happens once, and is never forgotten."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from wakeline_messaging import processing
from wakeline_process.processes import Kind
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, RunningService, running, settings_of

from .toy import POISON, ToySettings, ingested, rejected, toy

pytestmark = [pytest.mark.kafka, pytest.mark.mongo]
URL = "/v1/operations/prediction"


async def decide(
    service: RunningService, what: str, row_id: str, key: str, reason: str | None = None
) -> int:
    operator = service.client("engineer", person_id="p-engineer")
    answer = await operator.post(
        f"{URL}/{what}",
        params={"id": row_id} | ({"reason": reason} if reason else {}),
        headers={"Idempotency-Key": key},
    )
    return answer.status_code


async def log(service: RunningService) -> list[dict[str, Any]]:
    """What the auditor reads, the oldest first, each with all that it was about."""
    auditor = service.client("auditor")
    listed = (await auditor.get(f"{URL}/log")).json()["items"]
    assert all(one["row"] is None for one in listed)
    return [(await auditor.get(f"{URL}/log/{one['id']}")).json() for one in reversed(listed)]


async def test_an_event_that_is_given_up_is_kept_with_who_did_it_when_and_why(
    scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "RETRY_AFTER", ())
    began = datetime.now(UTC).replace(microsecond=0)
    publisher = Publisher(scope)
    bad = publisher.envelope(rejected("a", POISON))
    async with running(toy(settings_of(scope, "prediction", ToySettings)), scope) as service:
        database = service.database

        async def dies() -> None:
            async with asyncio.timeout(60):
                while not await database["dead"].count_documents({}):
                    await asyncio.sleep(0.1)

        await publisher.publish(ingested("a"))
        await service.settled()
        await publisher.send(bad)
        await dies()
        for _ in range(2):  # of the first, the answer was lost
            assert await decide(service, "dead/retry", bad.row_id, "k1") == 204
        await dies()
        for _ in range(2):
            assert await decide(service, "dead/discard", bad.row_id, "k2", "withdrawn") == 204
        assert await decide(service, "dead/discard", bad.row_id, "k3") == 404
        assert await decide(service, "dead/discard", "another", "k2") == 422
        again, gone = await log(service)
        assert [one["action"] for one in (again, gone)] == ["retry-event", "discard-event"]
        assert {one["by"] for one in (again, gone)} == {"p-engineer"}
        assert {one["subject"] for one in (again, gone)} == {bad.row_id}
        assert (again["reason"], gone["reason"]) == (None, "withdrawn")
        assert datetime.fromisoformat(gone["at"]) >= began
        assert gone["row"]["data"] == bad.data.decode()
        assert "cannot be understood" in gone["row"]["cause"]
        assert gone["row"]["event_id"] == bad.id
        absent = await service.client("auditor").get(f"{URL}/log/nothing")
        assert (absent.status_code, absent.json()["code"]) == (404, "no-such-operation")
        for role in ("labeler", "reviewer"):
            assert (await service.client(role).get(f"{URL}/log")).status_code == 403
        assert (
            await service.client("auditor").post(f"{URL}/dead/retry", params={"id": "x"})
        ).status_code == 403


async def test_lost_events_that_are_given_up_are_named(scope: Scope) -> None:
    publisher = Publisher(scope)
    first, *_, last = (publisher.envelope(rejected("a", f"l{n}")) for n in range(5))
    settings = settings_of(scope, "prediction", ToySettings)
    async with running(toy(settings), scope, Kind.SERVE) as service:
        await service.database["marks"].insert_one({"_id": first.stream, "sequence": 1})
        parked = last.document() | {"reason": "early", "tries": 0, "since": datetime.now(UTC)}
        await service.database["parked"].insert_one(parked)
        for key in ("k1", "k1", "k2"):
            assert await decide(service, "parked/skip", last.row_id, key, "the disk burnt") == 204
        (lost,) = await log(service)
        assert (lost["action"], lost["reason"]) == ("skip-lost", "the disk burnt")
        assert lost["row"] == {"stream": first.stream, "first": 2, "last": 4}
        mark = await service.database["marks"].find_one({"_id": first.stream})
        assert mark["sequence"] == 4


async def test_jobs_that_are_given_up_are_kept_as_they_were(scope: Scope) -> None:
    settings = settings_of(scope, "prediction", ToySettings)
    now = datetime.now(UTC)
    row = {
        "kind": "of-no-runner", "payload": {"asset": "a"}, "priority": 0, "state": "failed",
        "attempt": 5, "not_before": now, "created_at": now, "failed_at": now, "asked": 1,
        "error": "ValueError: no such colour", "owner": None,
    }  # fmt: skip
    async with running(toy(settings), scope, Kind.SERVE) as service:
        await service.database["jobs"].insert_many([{"_id": one, **row} for one in ("j1", "j2")])
        for _ in range(2):
            assert await decide(service, "jobs/retry", "j1", "k1") == 204
            assert await decide(service, "jobs/discard", "j2", "k2", "obsolete") == 204
        again, gone = await log(service)
        assert [one["action"] for one in (again, gone)] == ["retry-job", "discard-job"]
        assert (gone["subject"], gone["reason"], gone["by"]) == ("j2", "obsolete", "p-engineer")
        assert gone["row"]["payload"] == {"asset": "a"}
        assert gone["row"]["error"] == again["row"]["error"] == "ValueError: no such colour"
        (left,) = await service.database["jobs"].find().to_list()
        assert (left["_id"], left["state"], left["attempt"]) == ("j1", "queued", 0)


@pytest.mark.parametrize(
    ("what", "kept"), [("dead/discard", "dead"), ("dead/retry", "dead"), ("jobs/discard", "jobs")]
)
async def test_what_cannot_be_written_down_does_not_happen(
    scope: Scope, what: str, kept: str
) -> None:
    settings = settings_of(scope, "prediction", ToySettings)
    row = Publisher(scope).envelope(rejected("a", "l")).document() | {"reason": "dead"}
    async with running(toy(settings), scope, Kind.SERVE) as service:
        database = service.database
        await database[kept].insert_one(row | {"kind": "of-no-runner", "state": "failed"})
        await database.command("collMod", "operations", validator={"never": {"$exists": True}})
        assert await decide(service, what, row["_id"], "k1") == 500
        assert await database[kept].find_one({"_id": row["_id"], "state": "failed"}) is not None
        for name in ("marks", "parked", "operations", "idempotency"):
            assert await database[name].count_documents({}) == 0, name
