"""Two people on one image, an exam, and what a manager sees and does about it."""

from pathlib import Path

import pytest

from wakeline_sdk import Client, ConflictError, ForbiddenError

from . import fields
from .fields import weed
from .services import Platform

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]

IMAGES = 7
"""Five of them are hold-out and want one label, two want two."""


async def test_two_people_disagree_and_an_expert_decides(
    platform: Platform, tmp_path: Path
) -> None:
    name = "chard"
    fields.images(tmp_path, IMAGES, seed=21)
    document = fields.document(
        name,
        n_labels=2,
        consensus={"min_agreement": 0.9},
        review={"share": 0.0},
        limits={"open_leases_per_person": IMAGES},
    )

    def prepare(client: Client) -> None:
        client.datasets.create(name)
        client.teams.put(name, name="Charders", cost_per_hour=3600)
        client.datasets.upload_folder(name, tmp_path)
        client.projects.apply(document)

    await platform.sync(prepare, "admin", "p-admin")
    await platform.settled()
    steered = await platform.done(
        "tasks", "steer", name, "prioritise", "--priority", "80", "--stage", "mark", "--json"
    )
    assert (steered.json["state"], steered.json["changed"]) == ("done", IMAGES)

    def first(client: Client) -> None:
        leases = client.leases.take(name, "mark", count=50)
        assert len(leases) == IMAGES
        with pytest.raises(ConflictError, match="hand some in"):
            client.leases.take(name, "mark")
        beats = client.leases.heartbeat_many(leases)
        assert all(beat.expires_at is not None for beat in beats)
        tree = weed().model_copy(update={"class_name": "tree"})
        reports = client.leases.submit_many(
            [(lease, [tree if n == 0 else weed()], 6.0) for n, lease in enumerate(leases)]
        )
        assert [report.label is not None for report in reports] == [False] + [True] * 6
        assert reports[0].problem is not None
        assert "tree" in reports[0].problem.problems[0]
        client.leases.submit(leases[0], [weed()], seconds=6.0)

    def second(client: Client) -> None:
        leases = client.leases.take(name, "mark", count=50)
        (kept, back) = leases
        assert [one.problem for one in client.leases.give_back_many([back])] == [None]
        (back,) = client.leases.take(name, "mark")
        client.leases.submit_many([(kept, [weed(left=12)], None), (back, [weed(left=12)], None)])

    await platform.sync(first, "labeler", "p-ann", name)
    await platform.settled()
    await platform.sync(second, "labeler", "p-bob", name)
    await platform.settled()

    def decide(client: Client) -> str:
        one, other = client.reviews.take(name, "mark", count=50)
        assert one.reasons == ("low-agreement",)
        assert one.people_agreement == pytest.approx(16 / 24)
        assert len(one.labels) == 2
        client.reviews.judge(one, "accept", labels=[one.labels[1].label_id])
        client.reviews.judge(other, "accept")
        return one.labels[1].label_id

    picked = await platform.sync(decide, "reviewer", "p-eve", name)
    await platform.settled()

    def look(client: Client) -> None:
        found = {one.name: one for one in client.people.statistics(name)}
        assert (found["p-ann"].labels, found["p-bob"].labels) == (IMAGES, 2)
        assert found["p-ann"].cost == pytest.approx(6 * IMAGES)
        assert found["p-ann"].median_seconds == pytest.approx(6, rel=0.05)
        assert found["p-bob"].mean_people_agreement == pytest.approx(16 / 24)
        low = list(client.tasks.search(name, agreement_below=0.9))
        assert picked in {task["accepted_label"] for task in low}
        assert len(low) == 2
        assert len(list(client.tasks.search(name, person="p-bob", class_name="weed"))) == 2

    await platform.sync(look, "manager", "p-boss")
    own = (await platform.command("people", "stats", name, "--json", role="labeler")).json
    assert own == []
    days = (await platform.done("people", "stats", name, "--by", "day", "--json")).json
    assert [day["labels"] for day in days] == [IMAGES + 2]
    listed = (await platform.done("tasks", "list", name, "--person", "p-bob", "--json")).json
    assert len(listed) == 2
    nothing = await platform.done("tasks", "steer", name, "cancel", "--all", "--json")
    assert nothing.json["unchanged"] == {"already-closed": IMAGES}
    vague = await platform.command("tasks", "steer", name, "cancel")
    assert vague.code == 2
    actions = (await platform.done("tasks", "actions", name, "--json")).json
    assert [one["action"] for one in actions] == ["cancel", "prioritise"]


async def test_an_exam_is_taken_failed_and_given_again(platform: Platform, tmp_path: Path) -> None:
    name = "leek"
    fields.images(tmp_path, 6, seed=22)

    def prepare(client: Client) -> None:
        client.datasets.create(name)
        client.teams.put(name, name="Leekers")
        client.datasets.upload_folder(name, tmp_path)
        client.projects.apply(fields.document(name, exam={"tasks": 1, "attempts": 1}))

    await platform.sync(prepare, "admin", "p-admin")
    await platform.settled()

    def trust(client: Client) -> None:
        assets = [one.asset_id for one in client.datasets.assets(name)][:2]
        truth = {asset: [weed()] for asset in assets}
        reports = client.projects.set_benchmarks(name, "mark", truth)
        assert {one.status for one in reports} == {"set"}

    await platform.sync(trust, "admin", "p-admin")
    await platform.settled()

    def fail(client: Client) -> None:
        (lease,) = client.leases.take(name, "mark", count=5)
        client.leases.submit(lease, [weed(left=40)])

    await platform.sync(fail, "labeler", "p-ann", name)
    await platform.settled()

    def read(client: Client) -> None:
        assert client.exams.mine(name, "mark").state == "failed"
        with pytest.raises(ForbiddenError, match="ask a manager"):
            client.leases.take(name, "mark")

    await platform.sync(read, "labeler", "p-ann", name)
    listed = (await platform.done("exams", "list", name, "mark", "--json")).json
    assert [(one["person_id"], one["state"]) for one in listed] == [("p-ann", "failed")]
    again = await platform.done("exams", "give-attempts", name, "mark", "p-ann", "--json")
    assert again.json["state"] == "open"

    def succeed(client: Client) -> None:
        (lease,) = client.leases.take(name, "mark")
        client.leases.submit(lease, [weed()])

    await platform.sync(succeed, "labeler", "p-ann", name)
    await platform.settled()
    passed = await platform.sync(
        lambda client: client.exams.mine(name, "mark").state, "labeler", "p-ann", name
    )
    assert passed == "passed"
