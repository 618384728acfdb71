"""What happens to a label in review, as labeling sees it: rework, experts, closing."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from wakeline_events.labeling import BenchmarkSet, LabelCompleted
from wakeline_events.review import LabelAccepted, LabelRejected, LabelSuperseded
from wakeline_events.shapes import AnnotationSet
from wakeline_geometry.shapes import Annotation, Box
from wakeline_testing.running import published

from .conftest import STAGE, Lab, asset, box

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]


def better() -> AnnotationSet:
    shape = Annotation(id="b", class_name="weed", geometry=Box(corners=(1, 1, 9, 9)))
    return AnnotationSet(count=1, items=(shape,))


def rejected(lease: dict[str, Any]) -> LabelRejected:
    return LabelRejected(
        asset_id=lease["asset"]["asset_id"],
        label_id=label_of(lease),
        stage_id=STAGE,
        task_id=lease["task_id"],
        slot=slot_of(lease),
        round=lease["round"],
        reviewer_id="rae",
    )


def accepted(lease: dict[str, Any], merged: Sequence[str] = ()) -> LabelAccepted:
    number = int(lease["asset"]["digest"], 16)
    return LabelAccepted(
        asset_id=lease["asset"]["asset_id"],
        label_id=label_of(lease),
        merged_from=tuple(merged),
        project_id="field",
        stage_id=lease["stage_id"],
        task_id=lease["task_id"],
        slot=slot_of(lease),
        round=lease["round"],
        asset=asset(number),
        arm="assisted",
        assisted=False,
        verdict="corrected",
        reviewer_id="rae",
        annotations=better(),
        agreement=0.7,
    )


def slot_of(lease: dict[str, Any]) -> int:
    return int(lease.get("slot", 0))  # a lease does not say it


def label_of(lease: dict[str, Any]) -> str:
    return f"{lease['task_id']}.{slot_of(lease)}.{lease['round']}"


async def send(lab: Lab, *events: Any) -> None:
    await lab.publisher.publish(*events)
    await lab.service.settled()


async def published_types(lab: Lab) -> list[str]:
    await lab.service.settled()
    return [e.type for e in await published(lab.service.scope, "labeling")]


async def round_of(lab: Lab, name: str) -> dict[str, Any]:
    (lease,) = await lab.lease(name)
    assert (await lab.submit(name, lease, box("a"))).status_code == 201
    return lease


async def add_person(lab: Lab, name: str, *roles: str) -> str:
    body = {"name": name, "team_id": "botanists", "roles": list(roles)}
    answer = await lab.manager.post("/v1/people", json=body)
    assert answer.status_code == 201, answer.text
    person_id: str = answer.json()["person_id"]
    return person_id


async def test_an_accepted_label_closes_its_task(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    lease = await round_of(lab, "ann")
    await send(lab, accepted(lease))
    (label,) = (await lab.manager.get("/v1/projects/field/labels")).json()["items"]
    assert label["state"] == "accepted"
    assert label["accepted"]["verdict"] == "corrected"
    assert [a["id"] for a in label["accepted"]["annotations"]] == ["b"]
    assert [a["id"] for a in label["annotations"]] == ["a"]
    assert (await published_types(lab)).count("task.closed") == 1
    (task,) = (await lab.manager.get("/v1/projects/field/tasks")).json()["items"]
    assert (task["state"], task["accepted_label"]) == ("closed", label["label_id"])


async def test_a_later_correction_counts_from_then_on(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    lease = await round_of(lab, "ann")
    last = AnnotationSet(count=0, items=())
    superseded = LabelSuperseded(
        asset_id=lease["asset"]["asset_id"],
        label_id=label_of(lease),
        stage_id=STAGE,
        task_id=lease["task_id"],
        reviewer_id="rex",
        annotations=last,
    )
    await send(lab, accepted(lease), superseded)
    (label,) = (await lab.manager.get("/v1/projects/field/labels")).json()["items"]
    assert label["accepted"]["annotations"] == []
    assert label["accepted"]["reviewer_id"] == "rex"


async def test_a_rejected_label_goes_back_to_its_labeler_first(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest(range(3))
    lease = await round_of(lab, "ann")
    await send(lab, rejected(lease))
    for other in await lab.lease("bob", count=10):
        assert other["task_id"] != lease["task_id"]
    (again,) = await lab.lease("ann")
    assert (again["task_id"], again["round"]) == (lease["task_id"], 2)
    assert again["rework_of"] == label_of(lease)
    assert [d["id"] for d in again["draft"]] == ["a"]
    answer = await lab.submit("ann", again, box("better"))
    assert answer.json()["label_id"] == label_of(again)
    states = await lab.service.database["labels"].distinct("state", {"_id": label_of(lease)})
    assert states == ["rejected"]


async def test_a_rejection_that_comes_twice_opens_one_round(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    lease = await round_of(lab, "ann")
    await send(lab, rejected(lease), rejected(lease))
    (slot,) = await lab.service.database["slots"].find({}).to_list()
    assert (slot["round"], slot["state"]) == (2, "queued")


async def test_somebody_else_may_make_it_again_when_its_labeler_does_not_come(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    lease = await round_of(lab, "ann")
    await send(lab, rejected(lease))
    assert await lab.lease("bob") == []
    await lab.service.database["slots"].update_many(
        {}, [{"$set": {"reserved.until": {"$subtract": ["$$NOW", 1]}}}]
    )
    (again,) = await lab.lease("bob")
    assert again["round"] == 2
    assert again["draft"] is None


async def test_what_its_labeler_skips_is_kept_for_nobody(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    await lab.no_waiting()
    await send(lab, rejected(await round_of(lab, "ann")))
    (again,) = await lab.lease("ann")
    skip = await lab.person("ann").post(f"/v1/leases/{again['lease_id']}/skip", json={})
    assert skip.status_code == 200
    (taken,) = await lab.lease("bob")
    assert (taken["task_id"], taken["round"]) == (again["task_id"], 2)


async def test_the_third_round_is_an_experts(lab: Lab) -> None:
    await lab.configure()
    await add_person(lab, "Rae", "reviewer")
    await lab.ingest([1])
    await send(lab, rejected(await round_of(lab, "ann")))
    await send(lab, rejected(await round_of(lab, "ann")))
    assert await lab.lease("ann") == []
    assert await lab.lease("bob") == []
    lab.person("rae", "reviewer")
    (expert,) = await lab.lease("rae")
    assert expert["round"] == 3
    assert [d["id"] for d in expert["draft"]] == ["a"]
    assert (await lab.submit("rae", expert, box("a"))).status_code == 201


async def test_without_an_expert_the_third_round_is_anybodys(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    await send(lab, rejected(await round_of(lab, "ann")))
    await send(lab, rejected(await round_of(lab, "ann")))
    (third,) = await lab.lease("bob")
    assert third["round"] == 3


async def test_the_next_stage_opens_about_what_was_accepted_in_the_one_before(lab: Lab) -> None:
    await lab.configure()
    project = (await lab.manager.get("/v1/projects/field")).json()["document"]
    project["stages"].append({**project["stages"][0], "name": "leaves"})
    (await lab.manager.put("/v1/projects/field", json=project)).raise_for_status()
    await lab.ingest([1])
    lease = await round_of(lab, "ann")
    tasks = lab.service.database["tasks"]
    assert await tasks.count_documents({"stage_id": "field/leaves"}) == 0
    await send(lab, accepted(lease))
    (task,) = await tasks.find({"stage_id": "field/leaves"}).to_list()
    assert task["focus_regions"] == [[1, 1, 9, 9]]
    answer = await lab.person("ann").post("/v1/projects/field/stages/leaves/leases", json={})
    (later,) = answer.json()["leases"]
    assert later["focus_regions"] == [[1, 1, 9, 9]]
    assert (await lab.submit("ann", later, box("a"))).status_code == 201
    trusted = {"items": [{"asset_id": asset(1).asset_id, "annotations": [box("t")]}]}
    for stage in ("weeds", "leaves"):
        url = f"/v1/projects/field/stages/{stage}/benchmarks"
        (await lab.manager.post(url, json=trusted)).raise_for_status()
    await lab.service.settled()
    async with lab.service.client("admin", person_id="boss") as client:
        answer = await client.post(
            "/v1/operations/labeling/republish", json={"type": BenchmarkSet.TYPE, "after": ""}
        )
        assert answer.status_code == 200, answer.text
    await lab.service.settled()
    events = [each.event() for each in await published(lab.service.scope, "labeling")]
    benchmarks = [
        ("benchmark.set", "field/weeds", ()),
        ("benchmark.set", "field/leaves", ((1, 1, 9, 9),)),
    ]
    about = [
        (event.TYPE, event.stage_id, event.focus_regions)
        for event in events
        if isinstance(event, LabelCompleted | BenchmarkSet)
    ]
    assert about == [
        ("label.completed", "field/weeds", ()),
        ("label.completed", "field/leaves", ((1, 1, 9, 9),)),
        *benchmarks,
        *sorted(benchmarks, key=lambda each: each[1]),  # said again, by name
    ]


async def test_two_people_label_a_task_that_wants_two_labels(lab: Lab) -> None:
    await lab.configure(n_labels=2)
    await lab.ingest(range(6))  # five of them are hold-out and want one label
    await lab.no_waiting()
    row = await lab.service.database["tasks"].find_one({"holdout": False})
    leases = [x for x in await lab.lease("ann", count=50) if x["task_id"] == row["_id"]]
    assert len(leases) == 1
    assert await lab.lease("ann") == []
    (other,) = await lab.lease("bob")
    assert other["task_id"] == row["_id"]
    slots = await lab.service.database["slots"].find({"task_id": row["_id"]}).to_list()
    assert {slot["number"]: slot["people"] for slot in slots} == {0: ["ann"], 1: ["bob"]}
    assert await lab.lease("cid") == []


async def test_asking_many_times_at_once_gets_nobody_two_slots_of_one_task(lab: Lab) -> None:
    await lab.configure(n_labels=4)
    await lab.ingest(range(7))
    await lab.no_waiting()
    answers = await asyncio.gather(*(lab.lease("ann", count=3) for _ in range(8)))
    tasks = [lease["task_id"] for leases in answers for lease in leases]
    assert len(tasks) == len(set(tasks)) == 7
