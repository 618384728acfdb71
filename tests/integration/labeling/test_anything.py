"""Whatever people, reviewers, predictors and the clock do: some things always hold."""

import asyncio
from collections import Counter, defaultdict
from random import Random
from typing import Any

import pytest

from wakeline_events.labeling import LabelCompleted
from wakeline_testing.running import published

from .conftest import Lab, box
from .test_reviewing import label_of, rejected

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]

PEOPLE = ("ann", "bob", "cid", "dee")
STEPS = 120


class Mob:
    """Four people who do anything that the API lets them, at once."""

    def __init__(self, lab: Lab, seed: int) -> None:
        self.lab = lab
        self.random = Random(seed)
        self.leases: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.labels: Counter[str] = Counter()
        """Label id -> how many different leases were told that it is theirs."""
        self.told: dict[str, str] = {}

    async def step(self) -> None:
        name = self.random.choice(PEOPLE)
        act = self.random.choices(
            [self.lease, self.submit, self.return_, self.skip, self.draft, self.beat],
            [8, 8, 2, 1, 2, 2],
        )[0]
        await act(name)

    async def lease(self, name: str) -> None:
        key = self.random.choice([None, f"{self.random.randrange(40)}"])
        self.leases[name] += await self.lab.lease(name, self.random.randint(1, 3), key)

    async def submit(self, name: str) -> None:
        if lease := self.any_of(name):
            answer = await self.lab.submit(name, lease, box("a", x=self.random.randrange(3) * 10))
            assert answer.status_code in (201, 409), answer.text
            if answer.status_code == 201:
                label = answer.json()["label_id"]
                task, slot, _ = label.split(".")
                assert task == lease["task_id"]
                lease["slot"] = slot
                if self.told.setdefault(lease["lease_id"], label) == label:
                    self.labels[label] = len(
                        {key for key, value in self.told.items() if value == label}
                    )

    async def return_(self, name: str) -> None:
        await self.post(name, "return", {})

    async def skip(self, name: str) -> None:
        await self.post(name, "skip", {})

    async def beat(self, name: str) -> None:
        await self.post(name, "heartbeat", None)

    async def draft(self, name: str) -> None:
        if lease := self.any_of(name):
            body = {"fence": lease["fence"], "annotations": [box("draft")]}
            path = f"/v1/leases/{lease['lease_id']}/draft"
            answer = await self.lab.person(name).put(path, json=body)
            assert answer.status_code in (200, 409), answer.text

    async def post(self, name: str, what: str, body: Any) -> None:
        if lease := self.any_of(name):
            path = f"/v1/leases/{lease['lease_id']}/{what}"
            answer = await self.lab.person(name).post(path, json=body)
            assert answer.status_code in (200, 409), answer.text

    def any_of(self, name: str) -> dict[str, Any] | None:
        return self.random.choice(self.leases[name]) if self.leases[name] else None

    async def world(self) -> None:
        """What happens without them."""
        match self.random.randrange(4):
            case 0:
                await self.lab.end_of_time()
            case 1:
                number = self.random.randrange(12)
                epoch = self.random.randrange(3)
                told = await self.lab.prediction_of(number, self.random.random(), epoch)
                await self.lab.publisher.publish(told)
            case 2:
                known = [lease for leases in self.leases.values() for lease in leases]
                done = [lease for lease in known if self.labels[label_of(lease)]]
                if done:
                    await self.lab.publisher.publish(rejected(self.random.choice(done)))
            case 3:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_some_things_always_hold(lab: Lab, seed: int) -> None:
    shapes: dict[int, dict[str, Any]] = {
        1: {"n_labels": 2},
        2: {"paired_below": 50, "control_share": 0.5},
        3: {"uniform_share": 0.5, "order": "random"},
    }
    await lab.configure(**shapes[seed])
    await lab.ingest(range(12))
    await lab.no_waiting()
    mob = Mob(lab, seed)
    for number in range(STEPS):
        await asyncio.gather(*(mob.step() for _ in range(4)))
        if number % 10 == 9:
            await mob.world()
    await lab.service.settled()
    database = lab.service.database

    # A label belongs to one lease, and a slot has one label a round.
    assert mob.labels.total() > 5
    assert set(mob.labels.values()) == {1}
    labels = await database["labels"].find({}).to_list()
    assert {label["_id"] for label in labels} >= set(mob.labels)
    assert len({label["lease_id"] for label in labels}) == len(labels)
    slots = {slot["_id"]: slot async for slot in database["slots"].find({})}
    for slot in slots.values():
        rounds = sorted(x["round"] for x in labels if x["slot_id"] == slot["_id"])
        finished = slot["state"] in ("submitted", "done")
        assert rounds == list(range(1, slot["round"] + finished))
        assert slot["fence"] >= len(rounds)
    # Nobody has two slots of one task.
    for task in {slot["task_id"] for slot in slots.values()}:
        people = Counter(p for s in slots.values() if s["task_id"] == task for p in s["people"])
        assert not people or max(people.values()) == 1
    # Nothing is stuck: what is not finished is in the queue, leased, or held for its pair.
    assert {s["state"] for s in slots.values()} <= {"queued", "leased", "submitted", "held", "done"}
    # State and events agree: one label.completed a label, sequences without holes.
    envelopes = await published(lab.service.scope, "labeling")
    completed = [e for e in (x.event() for x in envelopes) if isinstance(e, LabelCompleted)]
    assert sorted(e.label_id for e in completed) == sorted(label["_id"] for label in labels)
    sequences: dict[str, list[int]] = defaultdict(list)
    for envelope in envelopes:
        sequences[envelope.key].append(envelope.sequence)
    assert all(found == list(range(1, len(found) + 1)) for found in sequences.values())
    assert await database["dead"].count_documents({}) == 0
