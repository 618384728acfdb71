"""A platform that is killed all the time loses nothing, and a broken one is found out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from pymongo import AsyncMongoClient

from tests.system.faults.clients import DATASET, PROJECT, STAGE, Crowd, Person
from tests.system.faults.ledger import Ledger
from tests.system.faults.platform import can_mount
from tests.system.faults.run import Plan, Run, Summary
from tests.system.faults.schedule import Rates
from tests.system.faults.subjects import Noise
from tests.system.faults.verdict import violations
from wakeline_auth import Role

pytestmark = [
    pytest.mark.long,
    pytest.mark.kafka,
    pytest.mark.mongo,
    pytest.mark.s3,
    pytest.mark.timeout(600),
]

SEED = 20
RATES = Rates(every=0.8, pause=0.06, outage=0.06, slow=0.06, fill=0.06, longest=6.0)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its news are what we make
    plan = Plan(
        home=tmp_path_factory.mktemp("faults"),
        seed=SEED,
        kills=30,
        rates=RATES,
        small_disks=can_mount() is None,
    )
    made = Run(plan)
    try:
        yield made
    finally:
        await made.platform.down()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def summary(run: Run) -> Summary:
    return await run()


async def test_nothing_is_lost_or_doubled_whatever_is_killed(run: Run, summary: Summary) -> None:
    assert summary.violations == []
    assert set(summary.kills) == set(run.platform.names), "every kind of process was killed"
    assert summary.others, "pauses, outages and slow networks happened as well"
    assert summary.with_work >= 0.8
    assert summary.labels > 40
    assert summary.verdicts > 20


async def test_a_label_that_is_lost_is_found_out(run: Run, summary: Summary) -> None:
    label_id = next(run.ledger.of("label"))["label_id"]
    async with AsyncMongoClient(run.platform.dsn()) as mongo:
        labels = mongo["wakeline_labeling"]["labels"]
        row = await labels.find_one_and_delete({"_id": label_id})
        assert row is not None
        found = violations(await run.gather(replays=False))
        assert f"label {label_id} was acknowledged and is lost" in found
        await labels.insert_one(row)
    assert violations(await run.gather(replays=False)) == []


async def test_an_event_that_was_never_sent_is_found_out(run: Run, summary: Summary) -> None:
    asset_id = next(run.ledger.of("asset"))["asset_id"]
    async with AsyncMongoClient(run.platform.dsn()) as mongo:
        # What is left of an outbox row that somebody deletes before the relay comes to it.
        streams = mongo["wakeline_review"]["streams"]
        row = await streams.find_one_and_update({"_id": asset_id}, {"$inc": {"sequence": 1}})
        assert row is not None
        found = violations(await run.gather(replays=False))
        last = row["sequence"] + 1
        assert f"wakeline.review|{asset_id}: [{last}] of {last} were never published" in found
        await streams.update_one({"_id": asset_id}, {"$inc": {"sequence": -1}})
    assert violations(await run.gather(replays=False)) == []


async def test_a_lease_that_is_given_twice_is_found_out(run: Run, summary: Summary) -> None:
    crowd = Crowd(
        run.platform, Ledger(run.plan.home / "double.jsonl"), run.gauge, SEED, Noise(SEED)
    )
    sender, ann, bob = (
        Person(crowd, "sender", Role.MANAGER),
        Person(crowd, "ann", Role.LABELER),
        Person(crowd, "bob", Role.LABELER),
    )
    data, _ = crowd.subject.picture(1_000_000)
    files = {"image": ("new.png", data)}
    await sender.ask("ingest", "POST", f"/v1/datasets/{DATASET}/assets", uuid4().hex, files=files)

    async def lease(person: Person) -> dict[str, object]:
        path = f"/v1/projects/{PROJECT}/stages/{STAGE}/leases"
        while True:
            answer = await person.ask("labeling", "POST", path, uuid4().hex, json={"count": 1})
            if answer.status_code == 201:
                (leased,) = answer.json()["leases"]
                told = ("lease_id", "task_id", "fence", "leased_at", "expires_at")
                facts = {name: leased[name] for name in told}
                run.ledger.write("lease", person=person.name, **facts)
                return facts
            await asyncio.sleep(0.1)

    task_id = (await lease(ann))["task_id"]
    async with AsyncMongoClient(run.platform.dsn()) as mongo:
        # What a queue does that forgets who has what.
        back = {"$set": {"state": "queued"}}
        await mongo["wakeline_labeling"]["slots"].update_one({"_id": f"{task_id}.0"}, back)
    await lease(bob)
    found = violations(await run.gather(replays=False))
    assert any(line.startswith(f"task {task_id}: bob got it") for line in found)
    for person in (sender, ann, bob):
        await person.close()
