"""A reviewer gets to see what their team reviews, and nothing tells them of anything else."""

from typing import Any, Literal

import pytest

from wakeline_events.labeling import Member, TeamConfigured
from wakeline_review.domain.records import Review
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, RunningService

from .cases import box, completed, configured, judge, lease

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


def team(name: str, kind: Literal["internal", "vendor"], *people: str) -> TeamConfigured:
    members = tuple(Member(person_id=person, roles=("reviewer",)) for person in people)
    return TeamConfigured(team_id=name, version=1, kind=kind, cost_per_hour=9.0, members=members)


TEAMS = (team("vendor", "vendor"), team("rival", "vendor", "p-mole"), team("house", "internal"))
WHO = {
    "the stage's own team": ("p-own", "vendor", True),
    "an internal team": ("p-house", "house", True),
    "nobody's team": ("p-free", None, True),
    "another vendor": ("p-rival", "rival", False),
    "another vendor, of which the token says nothing": ("p-mole", None, False),
    "a team that is not known": ("p-x", "strangers", False),
}


async def leased_by(
    review: RunningService, person: str, team_id: str | None, stage: str = "find", *roles: str
) -> Any:
    wanted = {"project": "harbour", "stage": stage}
    async with review.client(*roles or ["reviewer"], person_id=person, team_id=team_id) as client:
        return await client.post("/v1/reviews/leases", json=wanted)


@pytest.mark.parametrize("who", WHO)
async def test_a_stage_that_names_no_reviewers_is_reviewed_by_its_own_team_and_internal_people(
    scope: Scope, review: RunningService, who: str
) -> None:
    person, team_id, allowed = WHO[who]
    await Publisher(scope).publish(*TEAMS, configured(team=None), completed("a"))
    await review.settled()
    answer = await leased_by(review, person, team_id)
    assert answer.status_code == (201 if allowed else 404), answer.text
    nothing = (await leased_by(review, person, team_id, "nowhere")).text
    assert allowed or answer.text.replace("find", "nowhere") == nothing


async def test_a_team_of_which_an_earlier_release_kept_the_cost_alone_is_not_taken_for_internal(
    scope: Scope, review: RunningService
) -> None:
    await Publisher(scope).publish(*TEAMS, configured(team=None), completed("a"))
    await review.settled()
    await review.database["teams"].update_many({}, {"$unset": {"kind": 1, "members": 1}})
    for person, team_id in (("p-house", "house"), ("p-mole", None)):
        assert (await leased_by(review, person, team_id)).status_code == 404
    assert (await leased_by(review, "p-own", "vendor")).status_code == 201


async def test_who_reads_projects_is_told_whose_stage_it_is(
    scope: Scope, review: RunningService
) -> None:
    await Publisher(scope).publish(configured(), completed("a"))
    await review.settled()
    answer = await leased_by(review, "p-x", None, "find", "admin")
    assert (answer.status_code, answer.json()["code"]) == (403, "not-on-team")
    assert "experts" in answer.json()["detail"]


async def test_a_label_of_another_teams_stage_is_one_that_there_is_not(
    scope: Scope, review: RunningService
) -> None:
    await Publisher(scope).publish(*TEAMS, configured(team=None), completed("a", box("1", 10)))
    await review.settled()
    wanted = {"person": "p-own", "team_id": "vendor"}
    leased = (await leased_by(review, *wanted.values())).json()["leases"][0]
    said = {"fence": leased["fence"], "verdict": "accept", "comment": "well done"}
    own = review.client("reviewer", person_id="p-own", team_id="vendor")
    path = f"/v1/reviews/leases/{leased['lease_id']}"
    assert (await own.post(f"{path}/verdict", json=said)).status_code == 200
    rival = review.client("reviewer", person_id="p-rival", team_id="rival")
    whale = [box("1", 10, class_name="whale").model_dump(mode="json")]
    for label in ("task-a.0.1", "task-z.0.1"):
        verdict = await rival.get("/v1/verdicts", params={"label_id": label})
        correction = await rival.post(
            f"/v1/reviews/{label}/corrections", json={"annotations": whale}
        )
        for answer in (verdict, correction):
            assert (answer.status_code, answer.json()["code"]) == (404, "no-such-review")
            assert answer.json()["detail"].replace(label, "") in (
                "there is no label  here",
                "there is no label  of yours here",
            )
    mine = await own.get("/v1/verdicts", params={"label_id": "task-a.0.1"})
    assert mine.json()["comment"] == "well done"
    row = await review.database["reviews"].find_one({"_id": "task-a.0.1"})
    assert Review.model_validate(row).annotations is None


async def test_a_reviewer_whose_team_has_lost_the_stage_gives_no_verdict_on_it(
    scope: Scope, review: RunningService
) -> None:
    publisher = Publisher(scope)
    await publisher.publish(*TEAMS, configured(), completed("a"))
    await review.settled()
    leased = await lease(review)
    await publisher.publish(configured(team="house", version=2))
    await review.settled()
    refused = await judge(review, leased, verdict="accept")
    assert (refused.status_code, refused.json()["code"]) == (403, "not-on-team")
    row = await review.database["reviews"].find_one({"_id": "task-a.0.1"})
    assert row["state"] == "leased"


async def test_a_labeler_is_not_told_what_they_cost(scope: Scope, review: RunningService) -> None:
    await Publisher(scope).publish(*TEAMS, configured(), completed("a", box("1", 10)))
    await review.settled()
    wanted = {"project": "harbour", "since": "2026-06-01", "until": "2026-06-30"}
    costs = {}
    for role in ("labeler", "manager"):
        async with review.client(role, person_id="p-labeler", team_id="vendor") as client:
            (line,) = (await client.get("/v1/statistics/people", params=wanted)).json()["items"]
            costs[role] = line["cost"]
    assert costs["labeler"] is None
    assert costs["manager"] > 0
