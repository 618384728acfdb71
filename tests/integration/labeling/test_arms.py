"""Arms that are drawn in pairs, hold-out that is presumed, and assets with a trusted label."""

from typing import Any

import pytest

from wakeline_events.labeling import BenchmarkSet, LabelCompleted
from wakeline_testing.running import published

from .conftest import Lab, asset, box
from .test_reviewing import accepted, send
from .test_steering import act

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]

PAIRS: dict[str, Any] = {"paired_below": 50, "control_share": 0.1}


async def slots(lab: Lab, **wanted: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await lab.service.database["slots"].find(wanted).to_list()
    return found


async def status(lab: Lab) -> dict[str, Any]:
    answer = await lab.manager.get("/v1/projects/field/stages/weeds/status")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def set_benchmarks(lab: Lab, *numbers: int, x: float = 10) -> list[dict[str, Any]]:
    items = [{"asset_id": asset(n).asset_id, "annotations": [box("t", x=x)]} for n in numbers]
    answer = await lab.manager.post(
        "/v1/projects/field/stages/weeds/benchmarks", json={"items": items}
    )
    assert answer.status_code == 200, answer.text
    await lab.service.settled()
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_few_assets_go_to_two_people_one_of_them_assisted(lab: Lab) -> None:
    await lab.configure(**PAIRS)
    await lab.ingest(range(8))
    await lab.no_waiting()
    for person in ("ann", "bob", "ann", "bob"):
        for lease in await lab.lease(person, count=50):
            assert (await lab.submit(person, lease, box("a"))).status_code == 201
    await lab.service.settled()
    events = [e.event() for e in await published(lab.service.scope, "labeling")]
    labels = [e for e in events if isinstance(e, LabelCompleted)]
    pairs: dict[str, list[LabelCompleted]] = {}
    for label in labels:
        pairs.setdefault(label.task_id, []).append(label)
    ordinary = [pair for pair in pairs.values() if pair[0].arm != "holdout"]
    assert len(ordinary) == 3
    for pair in ordinary:
        assert {(label.arm, label.counts) for label in pair} == {
            ("assisted", True),
            ("control", False),
        }
        assert len({label.person_id for label in pair}) == 2
        assert {label.p_control for label in pair} == {0.5}
    assert len(labels) == 5 + 2 * 3


async def test_a_team_of_one_does_what_counts_and_the_rest_waits(lab: Lab) -> None:
    await lab.configure(**PAIRS)
    person = {"name": "Ann", "team_id": "botanists", "roles": ["labeler"]}
    added = (await lab.manager.post("/v1/people", json=person)).json()["person_id"]
    await lab.ingest(range(8))
    await lab.no_waiting()
    while leases := await lab.lease(added):
        assert (await lab.submit(added, leases[0], box("a"))).status_code == 201
    counted = await status(lab)
    assert counted["arms"]["assisted"] == {"submitted": 3}
    assert counted["arms"]["control"] == {"queued": 3}
    assert counted["waits_for_others"] == 3
    assert counted["paired"] is True


async def test_the_task_of_a_pair_closes_with_its_last_label(lab: Lab) -> None:
    await lab.configure(**PAIRS)
    await lab.ingest(range(6))
    await lab.no_waiting()
    (slot,) = await slots(lab, arm="assisted")
    leases = await lab.lease("ann", count=50)
    (lease,) = [x for x in leases if x["task_id"] == slot["task_id"]]
    assert (await lab.submit("ann", lease, box("a"))).status_code == 201
    await send(lab, accepted(lease))
    assert "task.closed" not in [e.type for e in await published(lab.service.scope, "labeling")]
    (companion,) = await lab.lease("bob")
    assert companion["task_id"] == lease["task_id"]
    assert (await lab.submit("bob", companion, box("a"))).status_code == 201
    await lab.service.settled()
    types = [e.type for e in await published(lab.service.scope, "labeling")]
    assert types.count("task.closed") == 1


async def test_pairs_that_nobody_has_begun_are_drawn_as_arms_when_more_assets_come(
    lab: Lab,
) -> None:
    await lab.configure(paired_below=20, control_share=0.5)
    await lab.ingest(range(10))
    assert len(await slots(lab, paired=True)) == 10  # five hold-out, five pairs
    await lab.no_waiting()
    (row, *_) = await slots(lab, arm="assisted")
    leases = await lab.lease("ann", count=50)
    begun = {lease["task_id"] for lease in leases if lease["task_id"] == row["task_id"]}
    for lease in leases:
        if lease["task_id"] != row["task_id"]:
            await lab.person("ann").post(f"/v1/leases/{lease['lease_id']}/return", json={})
    touched = {slot["task_id"] for slot in await slots(lab, people={"$ne": []})}

    await lab.ingest(range(10, 40))

    still = {slot["task_id"] for slot in await slots(lab, paired=True)}
    assert begun <= still <= touched
    assert len(await slots(lab, arm="control", counts=True)) > 3
    assert (await status(lab))["paired"] is False


async def test_what_a_manager_said_of_a_task_outlives_its_pair(lab: Lab) -> None:
    await lab.configure(**PAIRS | {"paired_below": 20})
    cid = {"name": "Cid", "team_id": "botanists", "roles": ["labeler"]}
    person = (await lab.manager.post("/v1/people", json=cid)).json()["person_id"]
    await lab.ingest(range(10))
    tasks = [row["_id"] async for row in lab.service.database["tasks"].find({})]
    assert (await act(lab, "prioritise", tasks=tasks, priority=90))["changed"] == 10
    assert (await act(lab, "reserve", tasks=tasks, person_id=person))["changed"] == 10

    await lab.ingest(range(10, 24))

    assert await slots(lab, paired=True) == []
    found = await slots(lab, task_id={"$in": tasks})
    assert {slot["reserved"]["person_id"] for slot in found} == {person}
    held_out = {slot["task_id"] for slot in found if slot["arm"] == "holdout"}
    assert 0 < len(held_out) < 10
    rows = await lab.service.database["tasks"].find({"_id": {"$in": tasks}}).to_list()
    for each in [*found, *rows]:
        ahead = each.get("task_id", each["_id"]) in held_out
        assert each["priority"] == 90 + 100 * ahead


async def test_only_the_lowest_groups_stay_presumed_holdout_as_assets_come_one_by_one(
    lab: Lab,
) -> None:
    await lab.configure(holdout_share=0.1)
    for number in range(12):
        await lab.ingest([number])
    ranks = {
        row["group"]: row["rank"] for row in await lab.service.database["groups"].find({}).to_list()
    }
    wanted = set(sorted(ranks, key=lambda g: ranks[g])[:5]) | {g for g in ranks if ranks[g] < 0.1}
    rows = await lab.service.database["tasks"].find({"holdout": True}).to_list()
    assert {row["asset"]["group"] for row in rows} == wanted
    assert {slot["arm"] for slot in await slots(lab, task_id=rows[0]["_id"])} == {"holdout"}


async def test_a_trusted_label_makes_a_task_that_scores_everybody_and_never_ends(
    lab: Lab,
) -> None:
    await lab.configure(benchmark_share=1.0)
    await lab.ingest(range(8))
    await lab.no_waiting()
    answer = await set_benchmarks(lab, 3)
    assert answer == [{"asset_id": asset(3).asset_id, "status": "set", "code": None, "detail": ""}]
    task = (await slots(lab, arm="benchmark"))[0]["task_id"]
    for person in ("ann", "bob"):
        leases = await lab.lease(person, count=2)
        assert [lease["task_id"] for lease in leases].count(task) == 1
        (lease,) = [lease for lease in leases if lease["task_id"] == task]
        assert lease["prelabel"] is None
        assert (await lab.submit(person, lease, box("a"))).status_code == 201
    events = [e.event() for e in await published(lab.service.scope, "labeling")]
    await lab.service.settled()
    labels = [e for e in events if isinstance(e, LabelCompleted)]
    assert all((e.arm, e.counts, e.p_control) == ("benchmark", False, 0.0) for e in labels)
    assert (await status(lab))["arms"]["benchmark"] == {"done": 2, "queued": 1}


async def test_setting_an_equal_trusted_label_again_says_nothing_new(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest(range(3))
    await set_benchmarks(lab, 1, 2)
    await set_benchmarks(lab, 1, 2)
    await set_benchmarks(lab, 2, x=30)
    events = [e.event() for e in await published(lab.service.scope, "labeling")]
    assert len([e for e in events if isinstance(e, BenchmarkSet)]) == 3
    assert len(await slots(lab, arm="benchmark")) == 2


async def test_a_lease_that_is_out_goes_on_when_its_asset_becomes_a_benchmark(lab: Lab) -> None:
    await lab.configure(benchmark_share=0.5)
    await lab.ingest([1])
    (lease,) = await lab.lease("ann")
    await set_benchmarks(lab, 1)
    assert (await lab.submit("ann", lease, box("a"))).status_code == 201
    found = {slot["number"]: (slot["arm"], slot["state"]) for slot in await slots(lab)}
    assert found == {0: ("holdout", "submitted"), 1: ("benchmark", "queued")}
    (slot,) = await slots(lab, arm="benchmark")
    assert slot["excluded"] == ["ann"]


async def test_a_bad_trusted_label_is_refused_alone(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1, 2])
    items = [
        {"asset_id": asset(1).asset_id, "annotations": [box("t")]},
        {"asset_id": asset(2).asset_id, "annotations": [box("t", x=900)]},
        {"asset_id": asset(9).asset_id, "annotations": []},
    ]
    answer = await lab.manager.post(
        "/v1/projects/field/stages/weeds/benchmarks", json={"items": items}
    )
    codes = {item["asset_id"]: item["code"] for item in answer.json()["items"]}
    assert codes == {
        asset(1).asset_id: None,
        asset(2).asset_id: "invalid-annotations",
        asset(9).asset_id: "unknown-asset",
    }
