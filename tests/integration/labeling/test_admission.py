"""Who may work at a stage, and how much at once."""

import asyncio
from contextlib import suppress
from typing import Any, cast

import httpx
import pytest

from wakeline_labeling.api.together import Together
from wakeline_labeling.domain.errors import TooManyLeasesError
from wakeline_labeling.domain.queues import Labeler
from wakeline_labeling.domain.records import Slot
from wakeline_labeling.resources import LocalDesk
from wakeline_labeling.store.admission import MongoExams, MongoOpenLeases
from wakeline_labeling.store.queue import MongoSlotQueue
from wakeline_labeling.store.slots import MongoSlots
from wakeline_labeling.usecases import leasing, limiting
from wakeline_labeling.usecases.finding import stage_of

from .conftest import Lab, asset, box
from .test_queue_order import explain, recording
from .test_steering import many_rows

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]

STAGE = "/v1/projects/field/stages/weeds"


async def ask(lab: Lab, name: str, count: int = 1, key: str | None = None) -> httpx.Response:
    return await lab.person(name).post(
        f"{STAGE}/leases",
        json={"count": count},
        headers={"Idempotency-Key": key} if key else {},
    )


async def trusted(lab: Lab, *numbers: int) -> None:
    items = [{"asset_id": asset(n).asset_id, "annotations": [box("t", 10)]} for n in numbers]
    answer = await lab.manager.post(f"{STAGE}/benchmarks", json={"items": items})
    assert {item["status"] for item in answer.json()["items"]} == {"set"}
    await lab.service.settled()


async def exam_of(lab: Lab, name: str) -> dict[str, Any]:
    return dict((await lab.person(name).get(f"{STAGE}/exam")).json())


async def prepared(lab: Lab, assets: int, benchmarks: int, **exam: Any) -> set[str]:
    """Tasks of benchmarks."""
    await lab.configure(exam={"tasks": 2, "cooldown_hours": 0, **exam}, benchmark_share=0.0)
    await lab.ingest(range(assets))
    await trusted(lab, *range(benchmarks))
    await lab.no_waiting()
    rows = await lab.service.database["tasks"].find({"arm": "benchmark"}).to_list()
    return {row["_id"] for row in rows}


async def test_the_queue_opens_to_who_passes_the_exam(lab: Lab) -> None:
    benchmarks = await prepared(lab, assets=6, benchmarks=3)
    leases = await lab.lease("ann", count=10)
    assert len(leases) == 2
    assert {lease["task_id"] for lease in leases} <= benchmarks
    more = await ask(lab, "ann")
    assert (more.status_code, more.json()["code"]) == (404, "no-task-available")
    assert "hand them in" in more.json()["detail"]
    for lease in leases:
        assert (await lab.submit("ann", lease, box("a", 10))).status_code == 201
    await lab.service.settled()
    exam = await exam_of(lab, "ann")
    assert exam["state"] == "passed"
    assert exam["attempts"][0]["mean_score"] == pytest.approx(1)
    (ordinary,) = await lab.lease("ann")
    assert ordinary["task_id"] not in benchmarks
    queue = await lab.service.database["slots"].count_documents(
        {"queue": "field/weeds", "state": "queued"}
    )
    assert queue == 2  # the exam took nothing of it


async def test_who_fails_is_told_so_and_a_manager_may_give_new_attempts(lab: Lab) -> None:
    await prepared(lab, assets=6, benchmarks=5, attempts=1)
    for lease in await lab.lease("ann", count=2):
        await lab.submit("ann", lease, box("a", 60))
    await lab.service.settled()
    refused = await ask(lab, "ann")
    assert (refused.status_code, refused.json()["code"]) == (403, "exam-failed")
    assert "0.80 is needed" in refused.json()["detail"]
    listed = (await lab.manager.get(f"{STAGE}/exams")).json()["items"]
    assert [(one["person_id"], one["state"]) for one in listed] == [("ann", "failed")]
    again = await lab.manager.post(f"{STAGE}/exams/ann/attempts")
    assert again.json()["state"] == "open"
    second = await lab.lease("ann", count=2)
    for lease in second:
        await lab.submit("ann", lease, box("a", 10))
    await lab.service.settled()
    exam = await exam_of(lab, "ann")
    assert [attempt["passed"] for attempt in exam["attempts"]] == [False, True]
    nobody = await lab.manager.post(f"{STAGE}/exams/bob/attempts")
    assert nobody.json()["code"] == "no-such-exam"


async def test_a_failed_attempt_is_followed_by_the_next_one(lab: Lab) -> None:
    await prepared(lab, assets=6, benchmarks=3, attempts=5)
    for lease in await lab.lease("ann", count=2):
        await lab.submit("ann", lease, box("a", 60))
    await lab.service.settled()
    (third,) = await lab.lease("ann", count=2)  # the only benchmark that she has not seen
    await lab.submit("ann", third, box("a", 60))
    await lab.service.settled()
    stuck = await ask(lab, "ann")
    assert "ask a manager to set more" in stuck.json()["detail"]


async def test_people_take_the_exam_at_the_same_time_each_on_every_benchmark(lab: Lab) -> None:
    benchmarks = await prepared(lab, assets=6, benchmarks=3, tasks=3)
    people = [f"p{n}" for n in range(8)]
    held = await asyncio.gather(*(lab.lease(person, count=3) for person in people))
    for leases in held:
        assert {lease["task_id"] for lease in leases} == benchmarks
    for person, leases in zip(people, held, strict=True):
        for lease in leases:
            assert (await lab.submit(person, lease, box("a", 10))).status_code == 201
    await lab.service.settled()
    assert {(await exam_of(lab, person))["state"] for person in people} == {"passed"}
    labels = await lab.service.database["labels"].find({}).to_list()
    assert len({(label["task_id"], label["person_id"]) for label in labels}) == 24
    slots = await lab.service.database["slots"].find({"arm": "benchmark"}).to_list()
    assert {slot["state"] for slot in slots if not slot["people"]} == {"queued"}
    assert [slot["excluded"] for slot in slots] == [[]] * 27  # no list of everybody grows


async def test_a_benchmark_that_was_returned_comes_again_and_one_that_was_skipped_does_not(
    lab: Lab,
) -> None:
    (benchmark,) = await prepared(lab, assets=3, benchmarks=1, tasks=1)
    ann = lab.person("ann")
    (lease,) = await lab.lease("ann")
    await ann.post(f"/v1/leases/{lease['lease_id']}/return", json={})
    (again,) = await lab.lease("ann")
    assert (again["task_id"], again["fence"]) == (benchmark, 2)
    await ann.post(f"/v1/leases/{again['lease_id']}/skip", json={})
    nothing = await ask(lab, "ann")
    assert "ask a manager to set more" in nothing.json()["detail"]
    assert len(await lab.lease("bob")) == 1


async def test_a_lease_of_a_benchmark_tells_nothing_that_another_one_does_not(lab: Lab) -> None:
    benchmarks = await prepared(lab, assets=8, benchmarks=2, tasks=1)
    (exam,) = await lab.lease("ann")
    assert (await lab.submit("ann", exam, box("a", 10))).status_code == 201
    await lab.service.settled()
    await lab.configure(benchmark_share=1.0, predictors=[])
    await lab.service.settled()
    leases = await lab.lease("ann", count=3)
    (scored,) = [lease for lease in leases if lease["task_id"] in benchmarks]
    for other in leases:
        assert told(other) == told(scored)


def told(lease: dict[str, Any]) -> dict[str, Any]:
    """What a lease says, but for what names its task."""
    task, own = lease["task_id"], ("leased_at", "expires_at", "task_id")
    assert lease["lease_id"].startswith(f"{task}.")
    names = {"lease_id": lease["lease_id"].removeprefix(task), "asset": sorted(lease["asset"])}
    return {name: value for name, value in lease.items() if name not in own} | names


async def test_requests_of_one_person_at_once_get_no_benchmark_twice(lab: Lab) -> None:
    await prepared(lab, assets=12, benchmarks=10, tasks=10)
    answers = await asyncio.gather(*(ask(lab, "ann", count=3, key=f"k{n % 3}") for n in range(6)))
    leases = {
        lease["lease_id"]: lease
        for answer in answers
        if answer.status_code == 201
        for lease in answer.json()["leases"]
    }
    tasks = [lease["task_id"] for lease in leases.values()]
    assert len(tasks) == len(set(tasks)) == 9


async def test_a_benchmark_that_the_release_before_leased_stands_for_others_when_it_is_in(
    lab: Lab,
) -> None:
    (benchmark,) = await prepared(lab, assets=3, benchmarks=1, tasks=1)
    (lease,) = await lab.lease("ann")
    slots = lab.service.database["slots"]
    (own,) = await slots.find({"lease.person_id": "ann"}).to_list()
    await slots.delete_one({"_id": own["_id"]})
    told = {name: own[name] for name in ("state", "fence", "people", "request", "lease")}
    await slots.update_one({"_id": f"{benchmark}.0"}, {"$set": {**told, "excluded": ["old"]}})
    path = f"/v1/leases/{benchmark}.0.1/submit"
    body = {"fence": 1, "annotations": [box("a", 10)]}
    assert (await lab.person("ann").post(path, json=body)).status_code == 201
    assert (await ask(lab, "old")).status_code == 404
    await lab.service.settled()
    assert (await exam_of(lab, "ann"))["state"] == "passed"
    (lease,) = await lab.lease("bob")
    assert lease["task_id"] == benchmark
    assert (await lab.submit("bob", lease, box("a", 10))).status_code == 201
    (stands,) = await slots.find({"arm": "benchmark", "state": "queued"}).to_list()
    assert (stands["number"], stands["excluded"], stands["people"]) == (1, ["ann", "old"], [])


async def test_open_leases_are_limited_and_a_repeated_request_is_not(lab: Lab) -> None:
    await lab.configure(limits={"open_leases_per_person": 3, "open_leases_per_team": 4})
    await lab.ingest(range(8))
    await lab.no_waiting()
    first = (await ask(lab, "ann", count=5, key="k1")).json()["leases"]
    assert len(first) == 3
    refused = await ask(lab, "ann")
    assert (refused.status_code, refused.json()["code"]) == (409, "too-many-leases")
    assert (await ask(lab, "ann", count=5, key="k1")).json()["leases"] == first
    assert len((await ask(lab, "bob", count=5)).json()["leases"]) == 1
    assert "your team holds 4" in (await ask(lab, "cid")).json()["detail"]
    assert (await lab.submit("ann", first[0], box("a"))).status_code == 201
    assert len((await ask(lab, "cid", count=2)).json()["leases"]) == 1


async def living(lab: Lab) -> set[str]:
    rows = lab.service.database["slots"].find({"state": "leased"})
    return {f"{row['_id']}.{row['fence']}" async for row in rows}


async def test_a_lost_answer_comes_again_whole_though_it_used_up_the_limit(lab: Lab) -> None:
    await lab.configure(limits={"open_leases_per_person": 5})
    await lab.ingest(range(8))
    await lab.no_waiting()
    first = await lab.lease("ann", count=4, key="k1")
    assert len(first) == 4
    assert await lab.lease("ann", count=4, key="k1") == first
    assert len(await lab.lease("ann", count=4, key="k2")) == 1


async def test_a_lost_answer_of_an_exam_comes_again_whole(lab: Lab) -> None:
    await prepared(lab, assets=6, benchmarks=4, tasks=3)
    first = await lab.lease("ann", count=10, key="k1")
    assert len(first) == 3
    assert await lab.lease("ann", count=10, key="k1") == first
    assert (await ask(lab, "ann", count=10, key="k2")).status_code == 404


async def test_a_person_who_asks_many_times_at_once_stays_within_the_limit(lab: Lab) -> None:
    await lab.configure(limits={"open_leases_per_person": 3})
    await lab.ingest(range(20))
    await lab.no_waiting()
    answers = await asyncio.gather(*(ask(lab, "ann", count=3) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    assert len(await living(lab)) == 3
    # One after the other: nothing was leased only to be given back.
    assert await lab.service.database["slots"].count_documents({"fence": {"$gt": 0}}) == 3


@pytest.mark.parametrize("people", [["ann"] * 6, [f"p{n}" for n in range(6)]], ids=["1", "6"])
async def test_processes_that_lease_at_once_keep_within_a_limit(
    lab: Lab, people: list[str]
) -> None:
    kind = "open_leases_per_person" if people[0] == people[1] else "open_leases_per_team"
    await lab.configure(limits={kind: 4})
    await lab.ingest(range(20))
    await lab.no_waiting()
    stores = lab.service.stores
    stage: Any = await stage_of(cast(Any, stores.open(None)), "field", "weeds")

    async def ask_a_process(name: str) -> list[Slot]:
        uow: Any = stores.open(None)
        desk, labeler = LocalDesk(), Labeler(name, "botanists", expert=False)

        async def lease(count: int) -> list[Slot]:
            claim = Together(stores).claims.ask
            return await leasing.lease_next(uow, desk, claim, stage, labeler, count, None)

        with suppress(TooManyLeasesError):
            return await limiting.lease_within(
                uow, desk, stage, labeler, lease, 3, None, exam=False
            )
        return []

    told = [slot for some in await asyncio.gather(*map(ask_a_process, people)) for slot in some]
    assert 1 <= len(told) <= 4
    assert {f"{slot.id}.{slot.fence}" for slot in told} == await living(lab)
    # What was given back is to be had.
    await lab.configure(limits={})
    assert len(await lab.lease("zoe", count=50)) == 20 - len(told)


async def test_what_a_process_that_died_leased_too_many_is_not_kept_by_asking_again(
    lab: Lab,
) -> None:
    await lab.configure(limits={"open_leases_per_team": 4})
    await lab.ingest(range(10))
    await lab.no_waiting()
    stores = lab.service.stores
    uow: Any = stores.open(None)
    stage: Any = await stage_of(uow, "field", "weeds")
    desk, ann = LocalDesk(), Labeler("ann", "botanists", expert=False)
    bobs: list[dict[str, Any]] = []

    async def lease(count: int) -> list[Slot]:
        """As a process that sees no lease of bob's, and is killed before it counts again."""
        bobs.extend(await lab.lease("bob", count=3, key="b"))
        await leasing.lease_next(uow, desk, Together(stores).claims.ask, stage, ann, count, "a")
        raise ConnectionError

    with suppress(ConnectionError):
        await limiting.lease_within(uow, desk, stage, ann, lease, 3, "a", exam=False)
    assert len(await living(lab)) == 6
    assert await lab.lease("bob", count=3, key="b") == bobs  # whoever came first keeps theirs
    again = await lab.lease("ann", count=3, key="a")
    assert len(again) == 1
    assert len(await living(lab)) == 4
    assert await lab.lease("ann", count=3, key="a") == again


async def test_limits_look_at_nobody_elses_leases(lab: Lab) -> None:
    await many_rows(lab, 1_000)
    stage_id = "field/weeds"
    async with recording(lab) as (collection, recorder):
        leases, slots = MongoOpenLeases(collection("slots")), MongoSlots(collection("slots"))
        exams = MongoExams(collection("exams"), collection("slots"))
        queue = MongoSlotQueue(collection("slots"))
        for asking in (
            leases.living(stage_id, "rare", None),
            leases.living(stage_id, None, "rare"),
            slots.leased_by("rare"),
            queue.requested_all(["r7", "r3", "r9", "none"]),
        ):
            assert len(await asking) in (3, 4)
        assert await exams.count_held(stage_id, "rare") == 0
        assert len(recorder.commands) == 5
        for command in recorder.commands:
            seen, keys, documents = await explain(lab, command)
            assert "COLLSCAN" not in seen
            assert documents <= 4, command
            assert keys <= 8, command
        requested = await queue.requested_all(["r7", "r3"])
        assert [slot.id for slot in requested] == [f"{n:024x}.0" for n in (7, 3)]


async def test_hasty_requests_are_asked_to_wait(lab: Lab) -> None:
    await lab.configure(limits={"requests_per_second": 0.01})
    await lab.ingest(range(3))
    await lab.no_waiting()
    assert (await ask(lab, "ann")).status_code == 201
    hasty = await ask(lab, "ann")
    assert (hasty.status_code, hasty.json()["code"]) == (429, "too-many-requests")
    assert int(hasty.headers["Retry-After"]) > 10
    assert (await ask(lab, "bob")).status_code == 201


async def test_many_leases_are_handled_at_once_each_on_its_own(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest(range(5))
    await lab.no_waiting()
    leases = await lab.lease("ann", count=5)
    person = lab.person("ann")
    names = [lease["lease_id"] for lease in leases]
    beats = await person.post("/v1/leases/heartbeat", json={"lease_ids": [*names, "t.0.9"]})
    items = beats.json()["items"]
    assert [item["heartbeat"] is not None for item in items] == [True] * 5 + [False]
    assert items[-1]["problem"]["code"] == "no-such-lease"
    work = [
        {"lease_id": lease["lease_id"], "fence": lease["fence"], "annotations": [box("a")]}
        for lease in leases[:3]
    ]
    work[1]["annotations"] = [box("a", class_name="whale")]
    work[2]["fence"] = 99
    answer = await person.post("/v1/leases/submit", json={"items": work})
    assert answer.status_code == 200, answer.text
    done = answer.json()["items"]
    assert done[0]["label"]["effort"]["drawn"] == 1
    assert done[1]["problem"]["code"] == "invalid-annotations"
    assert "whale" in done[1]["problem"]["problems"][0]
    assert done[2]["problem"]["code"] == "fence-outdated"
    again = await person.post("/v1/leases/submit", json={"items": work[:1]})
    assert again.json()["items"][0]["label"] == done[0]["label"]
    back = await person.post("/v1/leases/return", json={"lease_ids": names})
    assert [item["returned"] for item in back.json()["items"]] == [False] + [True] * 4
    assert (await person.get("/v1/leases")).json()["leases"] == []
