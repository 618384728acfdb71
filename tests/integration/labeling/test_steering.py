"""Managers find tasks and steer many of them at once."""

from typing import Any

import httpx
import pytest

from wakeline_events.labeling import LeaseEnded, TaskClosed, TaskOpened
from wakeline_labeling.domain.ontology import class_word
from wakeline_labeling.domain.steering import TaskFilter
from wakeline_labeling.store.search import MongoTaskSearch
from wakeline_testing.running import published

from .conftest import STAGE, Lab, asset, box
from .test_queue_order import explain, recording
from .test_reviewing import accepted, label_of, send

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]

TASKS = "/v1/projects/field/tasks"


async def found(lab: Lab, **query: Any) -> list[str]:
    """The assets of the tasks that a search finds, page by page."""
    assets, cursor = [], {}
    while True:
        answer = await lab.manager.get(TASKS, params={"limit": 2, **query, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= 2
        assets += [task["asset_id"] for task in page["items"]]
        if page["next"] is None:
            return sorted(assets)
        cursor = {"cursor": page["next"]}


async def act(lab: Lab, action: str, **body: Any) -> dict[str, Any]:
    answer: httpx.Response = await lab.manager.post(
        f"{TASKS}/actions", json={"action": action, **body}
    )
    assert answer.status_code == 202, answer.text
    await lab.service.settled()
    told = await lab.manager.get(f"{TASKS}/actions/{answer.json()['action_id']}")
    return dict(told.json())


async def many_rows(lab: Lab, count: int) -> None:
    """Tasks, each with a label and a lease that is out: four of them of somebody rare."""
    await lab.configure()
    await lab.ingest(range(1))
    await lab.no_waiting()
    (lease,) = await lab.lease("ann")
    await lab.submit("ann", lease, box("a"))
    database = lab.service.database
    task, slot, label = [await database[name].find_one({}) for name in ("tasks", "slots", "labels")]
    for name in ("tasks", "slots", "labels"):
        await database[name].delete_many({})
    rare = range(count // 8, count, count // 4)
    tasks, slots, labels = [], [], []
    for n in range(count):
        task_id, who = f"{n:024x}", "rare" if n in rare else "busy"
        tasks.append(task | {"_id": task_id})
        slot |= {"state": "leased", "people": [who], "request": f"r{n}"}
        held = slot["lease"] | {"person_id": who, "team_id": who}
        slots.append(slot | {"_id": f"{task_id}.0", "task_id": task_id, "lease": held})
        said = {"person_id": who, "team_id": who, "uses": [class_word(who)]}
        labels.append(label | {"_id": f"{task_id}.0.1", "task_id": task_id, **said})
    for name, rows in (("tasks", tasks), ("slots", slots), ("labels", labels)):
        await database[name].insert_many(rows)


async def prepared(lab: Lab, count: int = 5, **stage: Any) -> dict[str, str]:
    """Asset -> task."""
    await lab.configure(**stage)
    await lab.ingest(range(count))
    await lab.no_waiting()
    rows = await lab.service.database["tasks"].find({}).to_list()
    return {row["asset"]["asset_id"]: row["_id"] for row in rows}


def ids(*numbers: int) -> list[str]:
    return sorted(asset(number).asset_id for number in numbers)


async def test_tasks_are_found_by_who_labeled_them_what_they_hold_and_how_they_stand(
    lab: Lab,
) -> None:
    tasks = await prepared(lab)
    (mine,) = await lab.lease("ann")
    await lab.submit("ann", mine, box("a"))
    (held,) = await lab.lease("bob")
    assert await found(lab) == ids(*range(5))
    assert await found(lab, person="ann") == [mine["asset"]["asset_id"]]
    assert await found(lab, team="botanists") == [mine["asset"]["asset_id"]]
    assert await found(lab, held_by="bob") == [held["asset"]["asset_id"]]
    assert await found(lab, class_name="weed") == [mine["asset"]["asset_id"]]
    assert await found(lab, class_name="crop") == []
    assert await found(lab, asset=asset(3).asset_id) == ids(3)
    assert await found(lab, state="open", stage="weeds") == ids(*range(5))
    assert await found(lab, opened_before="2020-01-01T00:00:00Z") == []
    assert await found(lab, agreement_below=0.5) == []
    assert len(tasks) == 5


async def test_everything_that_a_search_says_must_hold(lab: Lab) -> None:
    await prepared(lab, count=8, n_labels=2, predictors=[])
    for lease in await lab.lease("ann", count=8):
        await lab.submit("ann", lease, box("a"))
    held = {lease["asset"]["asset_id"] for lease in await lab.lease("bob", count=8)}
    assert len(held) == 3  # the others are hold-out
    (one, *_) = sorted(held)
    for says in (
        {"person": "bob"},
        {"team": "zoologists"},
        {"class_name": "crop"},
        {"held_by": "ann"},
        {"agreement_below": 0.5},
        {"priority_from": 500},
        {"opened_before": "2020-01-01T00:00:00Z"},
        {"opened_after": "2120-01-01T00:00:00Z"},
        {"stage": "other"},
        {"state": "closed"},
    ):
        assert await found(lab, asset=one, **says) == [], says
        if "held_by" not in says:
            assert await found(lab, held_by="bob", **says) == [], says
    fits = {"person": "ann", "team": "botanists", "class_name": "weed", "state": "open"}
    assert await found(lab, asset=one, held_by="bob", **fits) == [one]
    assert await found(lab, held_by="bob", **fits) == sorted(held)


async def test_no_search_looks_at_more_than_it_needs(lab: Lab) -> None:
    """Also of a team or a class that few labels have, and of somebody who holds little."""
    await many_rows(lab, 2_000)
    few = TaskFilter()
    asked = {
        "all": (few, 10),
        "state": (few.model_copy(update={"stage_id": STAGE, "state": "open"}), 10),
        "person": (few.model_copy(update={"person_id": "rare"}), 4),
        "team": (few.model_copy(update={"team_id": "rare"}), 4),
        "class": (few.model_copy(update={"class_name": "rare"}), 4),
        "holder": (few.model_copy(update={"held_by": "rare"}), 4),
        "busy holder": (few.model_copy(update={"held_by": "busy"}), 10),
    }
    async with recording(lab) as (collection, recorder):
        search = MongoTaskSearch(*map(collection, ("tasks", "labels", "slots")))
        for name, (wanted, most) in asked.items():
            recorder.commands.clear()
            pages, after = [], ""
            while after is not None and len(pages) < 2:
                page, after = await search.page("field", wanted, after, 10)
                pages.append(page)
            assert [len(page) for page in pages] == ([10, 10] if most == 10 else [most]), name
            for command in recorder.commands:
                seen, keys, documents = await explain(lab, command)
                assert seen.isdisjoint({"SORT", "COLLSCAN"}), (name, seen)
                assert documents <= most, (name, documents)
                assert keys <= 2 * most, (name, keys)


async def test_a_prioritised_task_comes_first(lab: Lab) -> None:
    tasks = await prepared(lab, order="fifo")
    last = tasks[asset(4).asset_id]
    done = await act(lab, "prioritise", tasks=[last, "no-such"], priority=90)
    assert (done["state"], done["changed"], done["unchanged"]) == ("done", 1, {"no-such-task": 1})
    again = await act(lab, "prioritise", tasks=[last], priority=90)
    assert again["unchanged"] == {"has-this-priority": 1}
    row = await lab.service.database["tasks"].find_one({"_id": last})
    ahead = 100 if row["holdout"] else 0
    assert row["priority"] == 90 + ahead
    slots = await lab.service.database["slots"].find({"task_id": last}).to_list()
    assert [slot["priority"] for slot in slots] == [90 + ahead]
    assert await found(lab, priority_from=90 + ahead) == ids(4)


async def test_a_reserved_task_is_for_one_person(lab: Lab) -> None:
    tasks = await prepared(lab, count=1)
    answer = await lab.manager.post(
        "/v1/people", json={"name": "Cid", "team_id": "botanists", "roles": ["labeler"]}
    )
    person = answer.json()["person_id"]
    done = await act(lab, "reserve", tasks=list(tasks.values()), person_id=person)
    assert done["changed"] == 1
    assert await lab.lease("ann") == []
    assert len(await lab.lease(person)) == 1


async def test_a_released_lease_is_over_and_its_work_is_kept(lab: Lab) -> None:
    tasks = await prepared(lab, count=1)
    (lease,) = await lab.lease("ann")
    done = await act(lab, "release", tasks=list(tasks.values()), reason="ann is away")
    assert done["changed"] == 1
    late = await lab.submit("ann", lease, box("a"))
    assert (late.status_code, late.json()["code"]) == (409, "lease-expired")
    (again,) = await lab.lease("ann")
    assert again["draft"][0]["id"] == "a"
    events = [e.event() for e in await published(lab.service.scope, "labeling")]
    (ended,) = [event for event in events if isinstance(event, LeaseEnded)]
    assert (ended.person_id, ended.reason) == ("ann", "cancelled")


async def test_a_cancelled_task_wants_nothing_until_it_is_reopened(lab: Lab) -> None:
    await prepared(lab, count=4)
    (lease,) = await lab.lease("ann")
    (made,) = await lab.lease("bob")
    await lab.submit("bob", made, box("a"))
    done = await act(lab, "cancel", filter={"state": "open"})
    assert (done["changed"], done["state"]) == (4, "done")
    assert await lab.lease("cid") == []
    late = await lab.submit("ann", lease, box("a"))
    assert late.status_code == 409
    again = await act(lab, "cancel", filter={})
    assert again["unchanged"] == {"already-cancelled": 4}
    back = await act(lab, "reopen", filter={"state": "cancelled"})
    assert back["changed"] == 4
    await lab.no_waiting()
    leases = await lab.lease("cid", count=10)
    assert len(leases) == 4
    rounds = {one["task_id"]: one["round"] for one in leases}
    assert rounds.pop(made["task_id"]) == 2  # the label that was cancelled is made anew
    assert set(rounds.values()) == {1}
    events = [e.event() for e in await published(lab.service.scope, "labeling")]
    closed = [event for event in events if isinstance(event, TaskClosed)]
    assert [event.reason for event in closed] == ["cancelled"] * 4
    assert len([event for event in events if isinstance(event, TaskOpened)]) == 8


async def test_an_action_says_what_it_lacks(lab: Lab) -> None:
    await prepared(lab, count=1)
    for body, code in (
        ({"action": "prioritise", "filter": {}}, "invalid-action"),
        ({"action": "reserve", "filter": {}}, "invalid-action"),
        ({"action": "reserve", "filter": {}, "person_id": "nobody"}, "no-such-person"),
        ({"action": "cancel"}, "invalid-request"),
        ({"action": "cancel", "filter": {}, "tasks": ["a"]}, "invalid-request"),
    ):
        answer = await lab.manager.post(f"{TASKS}/actions", json=body)
        assert answer.json()["code"] == code, answer.text


async def test_many_tasks_are_steered_step_by_step(lab: Lab) -> None:
    await prepared(lab, count=210)
    done = await act(lab, "cancel", filter={"stage": "weeds"}, reason="wrong camera")
    assert (done["state"], done["changed"]) == ("done", 210)
    listed = await lab.manager.get(f"{TASKS}/actions")
    assert [(one["action"], one["reason"]) for one in listed.json()["items"]] == [
        ("cancel", "wrong camera")
    ]


async def test_a_benchmark_beside_a_task_is_leased_again_once_that_is_reopened(lab: Lab) -> None:
    (task,) = (await prepared(lab, count=1, predictors=[])).values()
    (lease,) = await lab.lease("ann")
    await lab.submit("ann", lease, box("a"))
    truth = {"asset_id": asset(0).asset_id, "annotations": [box("t")]}
    await lab.manager.post("/v1/projects/field/stages/weeds/benchmarks", json={"items": [truth]})
    for action in ("cancel", "reopen"):
        assert (await act(lab, action, tasks=[task]))["changed"] == 1
    rows = await lab.service.database["slots"].find({"task_id": task}, sort=[("_id", 1)]).to_list()
    assert [(row["arm"], row["state"], row["round"]) for row in rows] == [
        ("holdout", "queued", 2),
        ("benchmark", "queued", 1),
    ]


async def test_a_verdict_of_a_cancelled_round_does_not_close_what_waits_for_the_next(
    lab: Lab,
) -> None:
    (task,) = (await prepared(lab, count=1)).values()
    (lease,) = await lab.lease("ann")
    await lab.submit("ann", lease, box("a"))
    for action in ("cancel", "reopen"):
        await act(lab, action, tasks=[task])
    for _ in range(2):  # said again as a snapshot, say
        await send(lab, accepted(lease))
    (found_task,) = (await lab.manager.get(TASKS)).json()["items"]
    assert found_task["state"] == "open"
    await lab.no_waiting()
    (again,) = await lab.lease("bob")
    assert again["round"] == 2
    await lab.submit("bob", again, box("b"))
    await send(lab, accepted(again))
    (found_task,) = (await lab.manager.get(TASKS)).json()["items"]
    assert (found_task["state"], found_task["accepted_label"]) == ("closed", label_of(again))
