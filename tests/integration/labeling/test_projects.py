"""Projects, teams and people over HTTP: what a change says, and what it may not do."""

import asyncio
from typing import Any

import pytest

from wakeline_events.ingest import AssetWithdrawn
from wakeline_events.labeling import ProjectConfigured, TeamConfigured
from wakeline_testing.running import published

from .conftest import Lab, asset, box, document

pytestmark = [pytest.mark.mongo, pytest.mark.kafka, pytest.mark.s3]


async def test_a_dry_run_says_what_would_change_and_changes_nothing(lab: Lab) -> None:
    (await lab.configure()).raise_for_status()
    changed = document(n_labels=2, review={"share": 0.5})
    answer = await lab.manager.put("/v1/projects/field", json=changed, params={"dry_run": True})
    assert {(c["path"], c["before"], c["after"]) for c in answer.json()["diff"]} == {
        ("stages[weeds].n_labels", 1, 2),
        ("stages[weeds].review.share", 1.0, 0.5),
    }
    assert answer.json()["version"] == 2
    assert (await lab.manager.get("/v1/projects/field")).json()["version"] == 1


async def test_each_change_is_a_version_and_an_equal_document_is_none(lab: Lab) -> None:
    await lab.configure()
    await lab.configure()
    await lab.configure(n_labels=2)
    versions = (await lab.manager.get("/v1/projects/field/versions")).json()["items"]
    assert [v["version"] for v in versions] == [2, 1]
    assert versions[0]["by"] == "boss"
    await lab.service.settled()
    events = [e.event() for e in await published(lab.service.scope, "labeling")]
    configured = [e for e in events if isinstance(e, ProjectConfigured)]
    assert [e.version for e in configured] == [1, 2]
    assert configured[1].document.stage("weeds").n_labels == 2
    listed = (await lab.person("ann").get("/v1/projects")).json()["items"]
    assert [project["project_id"] for project in listed] == ["field"]


async def test_a_document_that_cannot_work_is_refused_with_what_to_do(lab: Lab) -> None:
    no_team = await lab.manager.put("/v1/projects/field", json=document())
    assert (no_team.status_code, no_team.json()["code"]) == (422, "invalid-project")
    assert "PUT /v1/teams/botanists" in no_team.json()["detail"]
    await lab.configure()
    elsewhere = await lab.manager.put("/v1/projects/other", json=document())
    assert "/v1/projects/field" in elsewhere.json()["detail"]
    misspelt = await lab.manager.put("/v1/projects/field", json=document(contrl_share=0.2))
    assert (misspelt.status_code, misspelt.json()["code"]) == (422, "invalid-request")
    assert "contrl_share" in str(misspelt.json()["errors"])
    denied = await lab.person("ann").put("/v1/projects/field", json=document())
    assert denied.status_code == 403


async def test_relations_must_be_there_end_somewhere_and_hold_what_they_need(lab: Lab) -> None:
    await lab.configure()

    def other(**stage: Any) -> dict[str, Any]:
        return {**document(**stage), "project": "orchard"}

    related = {"name": "related", "stage": "field/weeds"}
    nowhere = other(predictors=[{"name": "related", "stage": "field/trees"}])
    refused = await lab.manager.put("/v1/projects/orchard", json=nowhere)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-project")
    assert "'field/trees', which does not exist" in refused.json()["detail"]
    good = other(predictors=[related])
    for role in ("labeler", "reviewer", "engineer", "auditor"):
        asked = lab.person(role, role)
        assert (await asked.put("/v1/projects/orchard", json=good)).status_code == 403
    assert (await lab.manager.put("/v1/projects/orchard", json=good)).status_code == 200
    back = await lab.configure(predictors=[{"name": "related", "stage": "orchard/weeds"}])
    assert "field/weeds to orchard/weeds to field/weeds" in back.json()["detail"]
    renamed = document(name="trees")
    kept = await lab.manager.put("/v1/projects/field", json=renamed)
    assert (kept.status_code, kept.json()["code"]) == (409, "orphans-labels")
    assert "orchard/weeds is related to it" in kept.json()["detail"]
    told = (await lab.person("ann").get("/v1/projects/orchard")).text
    assert "field" not in told  # whoever labels is not told whose model proposes


async def test_of_two_that_become_related_at_the_same_moment_one_is_refused(lab: Lab) -> None:
    await lab.configure()
    orchard = {**document(), "project": "orchard"}
    (await lab.manager.put("/v1/projects/orchard", json=orchard)).raise_for_status()
    back = {"name": "related", "stage": "field/weeds", "parameters": {}, "classes": {}}
    projects = lab.service.database["projects"]
    client = lab.service.database.client
    async with client.start_session() as session, await session.start_transaction():
        becoming = {"$set": {"document.stages.0.predictors": [back]}}
        await projects.update_one({"_id": "orchard"}, becoming, session=session)
        there = lab.configure(predictors=[{"name": "related", "stage": "orchard/weeds"}])
        asked = asyncio.create_task(there)
        await asyncio.wait({asked}, timeout=2)
    refused = await asked
    assert refused.status_code == 422
    assert "field/weeds to orchard/weeds to field/weeds" in refused.json()["detail"]


async def test_a_class_that_labels_use_goes_only_by_force(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    (lease,) = await lab.lease("ann")
    assert (await lab.submit("ann", lease, box("a"))).status_code == 201
    without = document()
    without["ontology"]["classes"] = [{"name": "crop", "kinds": ["box"]}]
    refused = await lab.manager.put("/v1/projects/field", json=without)
    assert (refused.status_code, refused.json()["code"]) == (409, "orphans-labels")
    assert "1 labels use it" in refused.json()["detail"]
    unused = document()
    unused["ontology"]["classes"][0]["kinds"] = ["box"]
    assert (await lab.manager.put("/v1/projects/field", json=unused)).status_code == 200
    forced = await lab.manager.put("/v1/projects/field", json=without, params={"force": True})
    assert forced.status_code == 200
    assert (await lab.manager.get("/v1/projects/field")).json()["ontology_version"] == 3


async def test_a_stage_with_labels_or_open_slots_goes_only_by_force(lab: Lab) -> None:
    await lab.configure()
    without = document(name="trees")
    assert (await lab.manager.put("/v1/projects/field", json=without)).status_code == 200
    assert (await lab.configure()).status_code == 200
    await lab.ingest([1])
    queued = await lab.manager.put("/v1/projects/field", json=without)
    assert (queued.status_code, queued.json()["code"]) == (409, "orphans-labels")
    assert "open slots (1 queued)" in queued.json()["detail"]
    await lab.no_waiting()
    (lease,) = await lab.lease("ann")
    leased = await lab.manager.put("/v1/projects/field", json=without, params={"dry_run": True})
    assert "open slots (1 leased)" in leased.json()["detail"]
    assert (await lab.submit("ann", lease, box("a"))).status_code == 201
    submitted = await lab.manager.put("/v1/projects/field", json=without)
    assert "has 1 labels and open slots (1 submitted)" in submitted.json()["detail"]
    assert "steer field cancel --stage weeds" in submitted.json()["detail"]
    await lab.ingest([2])
    await lab.publisher.publish(AssetWithdrawn(asset_id=asset(2).asset_id))
    await lab.service.settled()
    withdrawn = await lab.manager.put("/v1/projects/field", json=without)
    assert "(1 withdrawn, 1 submitted)" in withdrawn.json()["detail"]
    await lab.service.database["slots"].update_many({}, {"$set": {"state": "done"}})
    labels = await lab.manager.put("/v1/projects/field", json=without)
    assert labels.json()["problems"] == ["stage 'weeds' would go, but has 1 labels"]
    forced = await lab.manager.put("/v1/projects/field", json=without, params={"force": True})
    assert forced.status_code == 200


async def test_what_is_out_of_a_stage_that_is_gone_can_still_be_handed_in(lab: Lab) -> None:
    await lab.configure()
    await lab.ingest([1])
    (lease,) = await lab.lease("ann")
    without = document(name="trees")
    forced = await lab.manager.put("/v1/projects/field", json=without, params={"force": True})
    assert forced.status_code == 200
    beat = await lab.person("ann").post(f"/v1/leases/{lease['lease_id']}/heartbeat")
    assert beat.status_code == 200
    assert (await lab.submit("ann", lease, box("a"))).status_code == 201


async def test_a_project_opens_tasks_for_assets_that_were_there_before_it(lab: Lab) -> None:
    await lab.ingest(range(1_200))
    (await lab.configure()).raise_for_status()
    await lab.service.settled()
    tasks = lab.service.database["tasks"]
    assert await tasks.count_documents({}) == 1_200
    await lab.ingest(range(1_190, 1_210))  # ten of them come again, as a replay would bring them
    assert await tasks.count_documents({}) == 1_210
    opened = [e.key for e in await published(lab.service.scope, "labeling")]
    assert sum(key.startswith("crops:") for key in opened) == 1_210


async def test_assets_of_other_datasets_are_left_alone(lab: Lab) -> None:
    await lab.configure()
    other = asset(1).model_copy(update={"dataset_id": "else", "asset_id": "else:1"})
    await lab.service.process.runtime.database["datasets"].find_one({})
    from wakeline_events.ingest import AssetIngested

    await lab.publisher.publish(AssetIngested(asset_id="else:1", asset=other, bytes=1))
    await lab.service.settled()
    assert await lab.service.database["tasks"].count_documents({}) == 0


async def test_every_change_of_a_team_tells_all_of_it_without_names(lab: Lab) -> None:
    await lab.configure()
    body = {
        "name": "Ann Example",
        "email": "ann@example.org",
        "team_id": "botanists",
        "roles": ["labeler"],
    }
    person = (await lab.manager.post("/v1/people", json=body)).json()["person_id"]
    changed = await lab.manager.patch(
        f"/v1/people/{person}", json={"roles": ["labeler", "reviewer"]}
    )
    assert changed.json()["name"] == "Ann Example"
    nobody = await lab.manager.patch("/v1/people/p-0", json={})
    assert (nobody.status_code, nobody.json()["code"]) == (404, "no-such-person")
    await lab.service.settled()
    envelopes = await published(lab.service.scope, "labeling")
    assert not any(b"Ann Example" in e.data or b"example.org" in e.data for e in envelopes)
    teams = [e.event() for e in envelopes if e.type == "team.configured"]
    last = teams[-1]
    assert isinstance(last, TeamConfigured)
    assert last.version == 3
    assert [(m.person_id, m.roles) for m in last.members] == [(person, ("labeler", "reviewer"))]
    people = (await lab.manager.get("/v1/people")).json()["items"]
    assert [p["email"] for p in people] == ["ann@example.org"]


async def test_a_repeated_post_adds_one_person(lab: Lab) -> None:
    await lab.configure()
    body = {"name": "Ann", "team_id": "botanists", "roles": ["labeler"]}
    key = {"Idempotency-Key": "k"}
    first = await lab.manager.post("/v1/people", json=body, headers=key)
    second = await lab.manager.post("/v1/people", json=body, headers=key)
    assert first.json() == second.json()
    assert await lab.service.database["people"].count_documents({}) == 1


async def test_projects_are_listed_for_those_who_work_in_them(lab: Lab) -> None:
    await lab.configure()
    for team, kind in (("house", "internal"), ("rival", "vendor")):
        body = {"name": team, "kind": kind}
        (await lab.manager.put(f"/v1/teams/{team}", json=body)).raise_for_status()
    people = [
        (role, team)
        for role in ("labeler", "reviewer")
        for team in ("botanists", "house", "rival", "unheard-of", None)
    ]
    own = {("labeler", "botanists"), ("reviewer", "botanists")}
    cases = (
        ({}, own | {("reviewer", "house"), ("reviewer", None)}),
        ({"review": {"team": "rival"}}, own | {("reviewer", "rival")}),
    )
    for stage, expected in cases:
        await lab.configure(**stage)
        listed, shown = set(), set()
        for role, team in people:
            person = lab.person(f"{role} of {team}", role, team=team)
            if (await person.get("/v1/projects")).json()["items"]:
                listed.add((role, team))
            if (await person.get("/v1/projects/field")).status_code == 200:
                shown.add((role, team))
        assert listed == shown == expected
