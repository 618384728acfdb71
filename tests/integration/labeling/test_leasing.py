"""Leases over HTTP, on real servers: who gets what, for how long, and what ends it."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from wakeline_testing.running import published

from .conftest import Lab, asset, box

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]


async def events(lab: Lab, kind: str) -> list[Any]:
    await lab.service.settled()
    return [e.event() for e in await published(lab.service.scope, "labeling") if e.type == kind]


async def test_an_asset_becomes_a_task_and_its_label_is_published(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    (lease,) = await lab.lease("ann")
    answer = await lab.submit("ann", lease, box("a"), seconds=12.5)

    assert answer.status_code == 201, answer.text
    assert lease["asset"]["asset_id"] == asset(1).asset_id
    assert lease["asset"]["bands"] == ["nir"]
    (label,) = await events(lab, "label.completed")
    assert label.label_id == answer.json()["label_id"]
    assert label.arm == "holdout"  # the only group of a dataset has its lowest rank
    assert label.effort.client_seconds == 12.5
    assert label.effort.drawn == 1
    assert [a.origin for a in label.annotations.items] == ["drawn"]


async def test_sixteen_labelers_drain_a_queue_and_no_task_is_given_twice(lab: Lab) -> None:
    tasks = 320
    await lab.configure(uniform_share=0.1, control_share=0.2)
    await lab.ingest(range(tasks))
    await lab.no_waiting()
    given: Counter[tuple[str, int]] = Counter()
    taken: Counter[str] = Counter()

    async def work(name: str) -> None:
        while leases := await lab.lease(name):
            for lease in leases:
                given[lease["task_id"]] += 1
                answer = await lab.submit(name, lease, box("a"))
                assert answer.status_code == 201, answer.text
                taken[name] += 1

    await asyncio.gather(*(work(f"p{n}") for n in range(16)))

    assert len(given) == tasks
    assert set(given.values()) == {1}
    assert taken.total() == tasks
    assert await lab.service.database["labels"].count_documents({}) == tasks
    assert len(await events(lab, "label.completed")) == tasks


async def test_a_batch_of_leases_holds_different_tasks(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest(range(8))
    await lab.no_waiting()
    leases = await lab.lease("ann", count=50)
    assert len({lease["task_id"] for lease in leases}) == 8
    mine = (await lab.person("ann").get("/v1/leases")).json()["leases"]
    assert {m["lease_id"] for m in mine} == {lease["lease_id"] for lease in leases}


async def test_the_most_uncertain_task_is_next_and_holdout_goes_before_all(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest(range(9))
    for number in range(9):
        await lab.publisher.publish(await lab.prediction_of(number, number / 10))
    await lab.service.settled()
    leases = [(await lab.lease("ann"))[0] for _ in range(9)]
    uncertainties = [int(lease["asset"]["digest"], 16) for lease in leases]
    assert uncertainties[:5] == sorted(uncertainties[:5], reverse=True)  # five are hold-out
    assert uncertainties[5:] == sorted(uncertainties[5:], reverse=True)
    assert [lease["prelabel"] is None for lease in leases] == [True] * 5 + [False] * 4


async def test_another_order_holds_at_once(lab: Lab) -> None:
    await lab.configure(order="uncertainty")
    await lab.ingest(range(9))
    for number in range(9):
        await lab.publisher.publish(await lab.prediction_of(number, number / 10))
    await lab.service.settled()
    (await lab.configure(order="random")).raise_for_status()
    await lab.service.settled()
    rows = await lab.service.database["slots"].find({}).to_list()
    assert all(row["rank"] == row["draw"] for row in rows)
    (await lab.configure(order="uncertainty")).raise_for_status()
    await lab.service.settled()
    rows = await lab.service.database["slots"].find({}).to_list()
    assert all(row["rank"] == pytest.approx(1 - row["answer"]["uncertainty"]) for row in rows)


async def test_a_repeated_key_gets_the_leases_that_it_got(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest(range(9))
    await lab.no_waiting()
    answers = await asyncio.gather(*(lab.lease("ann", count=2, key="k1") for _ in range(6)))
    ids = {tuple(lease["lease_id"] for lease in leases) for leases in answers}
    assert len(ids) == 1
    (other,) = await lab.lease("bob", key="k1")
    assert other["lease_id"] not in next(iter(ids))


async def test_a_late_submit_is_refused_and_its_work_kept_as_a_draft(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    (lease,) = await lab.lease("ann")
    await lab.end_of_time()
    answer = await lab.submit("ann", lease, box("mine"))
    assert answer.status_code == 409
    assert answer.json()["code"] == "lease-expired"
    assert "kept as a draft" in answer.json()["detail"]
    again = await lab.submit("ann", lease, box("mine"))
    assert again.status_code == 409

    for _ in range(200):
        if leases := await lab.lease("ann"):
            break
        await asyncio.sleep(0.05)
    assert leases[0]["fence"] == lease["fence"] + 1
    assert [d["id"] for d in leases[0]["draft"]] == ["mine"]
    (ended,) = await events(lab, "lease.ended")
    assert ended.reason == "expired"
    assert ended.lease_id == lease["lease_id"]
    assert (await lab.submit("ann", leases[0], box("mine"))).status_code == 201
    assert await lab.service.database["drafts"].count_documents({}) == 0


async def test_the_fence_of_a_slot_that_was_leased_again_is_outdated(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    (old,) = await lab.lease("ann")
    ended = await lab.person("ann").post(f"/v1/leases/{old['lease_id']}/return", json={})
    assert ended.status_code == 200
    (new,) = await lab.lease("bob")
    answer = await lab.submit("ann", old, box("hers"))
    assert (answer.status_code, answer.json()["code"]) == (409, "fence-outdated")
    assert (await lab.submit("bob", new, box("his"))).status_code == 201
    rows = await lab.service.database["drafts"].find({}).to_list()
    assert [row["person_id"] for row in rows] == ["ann"]
    (label,) = await lab.service.database["labels"].find({}).to_list()
    assert label["person_id"] == "bob"


async def test_a_repeated_submit_is_one_label_and_another_one_is_refused(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    (lease,) = await lab.lease("ann")
    answers = await asyncio.gather(*(lab.submit("ann", lease, box("a")) for _ in range(5)))
    assert {a.status_code for a in answers} == {201}
    assert len({a.text for a in answers}) == 1
    other = await lab.submit("ann", lease, box("b", x=40))
    assert (other.status_code, other.json()["code"]) == (409, "already-submitted")
    assert len(await events(lab, "label.completed")) == 1


async def test_a_lease_is_nobody_elses(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    (lease,) = await lab.lease("ann")
    path = f"/v1/leases/{lease['lease_id']}"
    for answer in (
        await lab.person("bob").get(path),
        await lab.person("bob").get(f"{path}/image"),
        await lab.person("bob").post(f"{path}/heartbeat"),
        await lab.person("bob").post(f"{path}/return", json={}),
        await lab.submit("bob", lease, box("a")),
        await lab.person("bob").get("/v1/leases/no.such.lease"),
        await lab.person("bob").get("/v1/leases/x"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "no-such-lease")
    assert (await lab.person("ann").get(path)).json() == lease


async def test_strangers_to_the_team_lease_nothing(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    path = "/v1/projects/field/stages/weeds/leases"
    stranger = await lab.person("eve", team="vendors").post(path, json={})
    assert (stranger.status_code, stranger.json()["code"]) == (404, "no-such-stage")
    there_is_none = await lab.person("eve").post(path.replace("weeds", "leaves"), json={})
    assert there_is_none.text.replace("leaves", "weeds") == stranger.text
    manager = await lab.person("ada", "manager", "labeler", team="vendors").post(path, json={})
    assert (manager.status_code, manager.json()["code"]) == (403, "not-a-member")
    auditor = await lab.person("kim", "auditor").post(path, json={})
    assert (auditor.status_code, auditor.json()["code"]) == (403, "forbidden")
    reviewer = await lab.person("rae", "reviewer").post(path, json={})
    assert (reviewer.status_code, reviewer.json()["code"]) == (404, "no-task-available")


async def test_pixels_come_only_through_a_living_lease(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    blobs = lab.service.process.runtime.resources.blobs
    admin = type(blobs)(lab.service.scope.blobs())
    async with admin:
        await admin.put("assets", asset(1).image, b"\x89PNG...pixels")
        await admin.put("assets", asset(1).bands["nir"], b"II*\0nir")
    (lease,) = await lab.lease("ann")
    path = f"/v1/leases/{lease['lease_id']}"
    image = await lab.person("ann").get(f"{path}/image")
    assert image.content == b"\x89PNG...pixels"
    assert image.headers["content-type"] == "image/png"
    assert image.headers["cache-control"] == "private, no-store"
    band = await lab.person("ann").get(f"{path}/bands/nir")
    assert band.content == b"II*\0nir"
    missing = await lab.person("ann").get(f"{path}/bands/red")
    assert (missing.status_code, missing.json()["code"]) == (404, "no-such-band")
    await lab.end_of_time()
    late = await lab.person("ann").get(f"{path}/image")
    assert (late.status_code, late.json()["code"]) == (409, "lease-expired")


async def test_a_heartbeat_keeps_a_lease_alive(lab: Lab) -> None:
    await lab.configure(lease_minutes=10)
    await lab.ingest([1])
    (lease,) = await lab.lease("ann")
    await asyncio.sleep(0.01)
    path = f"/v1/leases/{lease['lease_id']}/heartbeat"
    beat = await lab.person("ann").post(path)
    assert beat.json()["expires_at"] > lease["expires_at"]
    await lab.end_of_time()
    dead = await lab.person("ann").post(path)
    assert (dead.status_code, dead.json()["code"]) == (409, "lease-expired")


async def test_a_skipped_task_goes_to_somebody_else(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    (lease,) = await lab.lease("ann")
    skip = await lab.person("ann").post(
        f"/v1/leases/{lease['lease_id']}/skip", json={"reason": "too dark"}
    )
    assert skip.status_code == 200
    assert await lab.lease("ann") == []
    (other,) = await lab.lease("bob")
    assert other["task_id"] == lease["task_id"]
    (ended,) = await events(lab, "lease.ended")
    assert (ended.reason, ended.person_id) == ("skipped", "ann")


async def test_a_draft_comes_back_with_the_next_lease_of_its_person_only(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    (lease,) = await lab.lease("ann")
    path = f"/v1/leases/{lease['lease_id']}"
    draft = {"fence": lease["fence"], "annotations": [box("half")]}
    saved = await lab.person("ann").put(f"{path}/draft", json=draft)
    assert saved.status_code == 200
    assert [d["id"] for d in (await lab.person("ann").get(path)).json()["draft"]] == ["half"]
    await lab.person("ann").post(f"{path}/return", json={})
    (his,) = await lab.lease("bob")
    assert his["draft"] is None
    await lab.person("bob").post(f"/v1/leases/{his['lease_id']}/return", json={})
    (hers,) = await lab.lease("ann")
    assert [d["id"] for d in hers["draft"]] == ["half"]


@pytest.mark.parametrize(
    "attributes", [{"n": 2**63}, {"a\0b": 1}, {"$ref": "a", "$id": 1}], ids=str
)
async def test_a_draft_that_no_document_holds_is_refused(
    lab: Lab, attributes: dict[str, Any]
) -> None:
    await lab.configure()
    await lab.ingest([1])
    (lease,) = await lab.lease("ann")
    path = f"/v1/leases/{lease['lease_id']}"
    draft = {"fence": lease["fence"], "annotations": [box("half", attributes=attributes)]}
    answer = await lab.person("ann").put(f"{path}/draft", json=draft)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-annotations")
    assert (await lab.person("ann").get(path)).json()["draft"] is None


async def test_a_task_is_leased_once_its_predictors_have_answered_or_had_their_time(
    lab: Lab,
) -> None:
    await lab.configure(prelabel_wait_seconds=3600)
    await lab.ingest(range(7))
    assert len(await lab.lease("ann", count=10)) == 5  # hold-out waits for nobody
    open_tasks = lab.service.database["tasks"].find({"holdout": False})
    waiting = [int(row["asset"]["digest"], 16) async for row in open_tasks]
    await lab.predict(waiting[0], 0.5)
    (lease,) = await lab.lease("ann", count=10)
    assert lease["prelabel"]["predictor_version"] == "v0"
    detail = await lab.person("ann").post("/v1/projects/field/stages/weeds/leases", json={})
    assert "none for you now" in detail.json()["detail"]
    await lab.no_waiting()
    (late,) = await lab.lease("ann", count=10)
    assert late["prelabel"] is None


async def test_the_queue_is_served_by_its_index_without_a_sort(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest(range(30))
    slots = lab.service.database["slots"]
    wanted = {"queue": "field/weeds", "state": "queued", "excluded": {"$ne": "ann"}}
    plan = await slots.find(wanted).sort([("priority", -1), ("rank", 1), ("_id", 1)]).explain()
    stages = str(plan["queryPlanner"]["winningPlan"])
    assert "queue_order" in stages
    assert "SORT" not in stages
