"""How people do, counted as it happens."""

from typing import Any

import pytest

from wakeline_events.labeling import BenchmarkSet, TeamConfigured
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, RunningService

from .cases import box, completed, configured, judge, lease, shapes

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


async def statistics(review: RunningService, *roles: str, **query: str) -> list[dict[str, Any]]:
    client = review.client(*roles, person_id="p-1")
    wanted = {"project": "harbour", "since": "2026-05-01", "until": "2026-06-30", **query}
    answer = await client.get("/v1/statistics/people", params=wanted)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_people_are_counted_as_they_work(scope: Scope, review: RunningService) -> None:
    vendor = TeamConfigured(
        team_id="vendor", version=1, kind="vendor", cost_per_hour=36.0, members=()
    )
    scored = completed("c", box("1", 10), box("2", 60), arm="benchmark", counts=False, person="p-1")
    truth = BenchmarkSet(
        asset_id=scored.asset_id,
        project_id="harbour",
        stage_id="harbour/find",
        asset=scored.asset,
        truth=shapes(box("t", 10)),
    )
    pair = [completed("a", box("1", 10 + 5 * n), slot=n, person=f"p-{n}") for n in (0, 1)]
    await Publisher(scope).publish(vendor, configured(n_labels=2), truth, *pair, scored)
    await review.settled()
    leased = await lease(review)
    answer = await judge(review, leased, verdict="reject", labels=["task-a.0.1"])
    assert answer.status_code == 200
    again = completed("a", box("1", 16), slot=0, round=2, person="p-0")
    publisher = Publisher(scope)
    for event in pair:
        publisher.envelope(event)  # what went before it in its stream
    await publisher.publish(again)
    await review.settled()
    assert (await judge(review, await lease(review), verdict="accept")).status_code == 200
    lines = {line["name"]: line for line in await statistics(review, "manager")}
    assert set(lines) == {"p-0", "p-1"}
    assert (lines["p-0"]["labels"], lines["p-0"]["rejected"], lines["p-0"]["accepted"]) == (2, 1, 1)
    assert (lines["p-1"]["labels"], lines["p-1"]["accepted"]) == (2, 1)
    assert lines["p-1"]["mean_benchmark_score"] == pytest.approx(0.5)
    assert lines["p-1"]["compared"] == 1
    assert lines["p-1"]["mean_people_agreement"] == pytest.approx(0.6)
    assert lines["p-1"]["cost"] == pytest.approx(2 / 3600 * 36)
    (team,) = await statistics(review, "manager", by="team")
    assert (team["name"], team["labels"]) == ("vendor", 4)
    assert [line["name"] for line in await statistics(review, "labeler")] == ["p-1"]
    assert [line["name"] for line in await statistics(review, "labeler", person="p-0")] == ["p-1"]


async def test_statistics_come_page_by_page(scope: Scope, review: RunningService) -> None:
    made = [completed(f"a{n}", box("1", 10), person=f"p-{n}") for n in range(5)]
    await Publisher(scope).publish(configured(share=0), *made)
    await review.settled()
    client = review.client("auditor")
    wanted: dict[str, str] = {"project": "harbour", "since": "2026-05-01", "until": "2026-06-30"}
    wanted["limit"] = "2"
    names = []
    while True:
        page = (await client.get("/v1/statistics/people", params=wanted)).json()
        names += [line["name"] for line in page["items"]]
        if page["next"] is None:
            break
        wanted["cursor"] = page["next"]
    assert names == [f"p-{n}" for n in range(5)]
