"""From files to exported labels: by the command line, and with both clients."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from wakeline_sdk import (
    AsyncClient,
    Client,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    Predicted,
    UnauthenticatedError,
    Upload,
)
from wakeline_sdk.models import LabelRecord, UploadReport
from wakeline_sdk.shapes import Point

from . import fields
from .fields import weed
from .services import Platform

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


async def test_the_command_line_takes_a_folder_to_exported_labels(
    platform: Platform, tmp_path: Path
) -> None:
    name, folder = "weeds", tmp_path / "scans"
    fields.images(folder, 4, seed=1)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (folder / "empty.png").write_bytes(b"")

    unknown = await platform.command("upload", name, folder)
    assert unknown.code == 1
    assert "wakeline datasets create weeds" in unknown.err
    await platform.done("datasets", "create", name, "--name", "Weeds of 2026")

    first = await platform.command("upload", name, folder)
    assert first.code == 1, "a refused file is no success"
    assert "4 stored, 0 there already, 2 refused" in first.out
    for part in ("broken.jpg", "empty.png", "reason"):
        assert part in first.out
    again = await platform.command("upload", name, folder, "--json")
    assert (again.code, again.json["stored"], again.json["skipped"]) == (1, 0, 4)
    refused = [one for one in again.json["files"] if one["outcome"] == "refused"]
    assert all(one["code"] and one["reason"] for one in refused)
    listed = (await platform.done("datasets", "list", "--json")).json
    (dataset,) = [one for one in listed if one["dataset_id"] == name]
    assert (dataset["received"], dataset["name"]) == (4, "Weeds of 2026")
    refusals = (await platform.done("datasets", "show", name, "--refusals", "--json")).json
    assert {one["file_name"] for one in refusals} == {"broken.jpg", "empty.png"}

    await platform.done("team", "set", name, "--name", "Weeders", "--cost-per-hour", "12.5")
    await platform.done("team", "set", name, "--kind", "vendor")
    teams = (await platform.done("team", "list", "--json")).json
    (team,) = [one for one in teams if one["team_id"] == name]
    assert (team["name"], team["kind"], team["cost_per_hour"]) == ("Weeders", "vendor", 12.5)
    added = await platform.done("people", "add", "Ann", "--team", name, "--json")
    assert added.json["roles"] == ["labeler"]
    person = added.json["person_id"]
    await platform.done("people", "change", person, "--role", "labeler", "--role", "reviewer")
    people = (await platform.done("people", "list", "--team", name, "--json")).json
    assert [(one["name"], one["roles"]) for one in people] == [("Ann", ["labeler", "reviewer"])]

    file = tmp_path / "project.yaml"
    file.write_text(yaml.safe_dump(fields.document(name)))
    planned = await platform.done("project", "apply", "-f", file, "--dry-run")
    assert "a dry run" in planned.out
    assert (await platform.command("project", "show", name)).code == 1
    declined = await platform.command("project", "apply", "-f", file, typed="n\n")
    assert declined.code == 1
    applied = await platform.done("project", "apply", "-f", file, typed="y\n")
    assert "stages" in applied.out
    assert "weeds is at version 1" in applied.out
    assert "nothing to change" in (await platform.done("project", "apply", "-f", file)).out
    shown = await platform.done("project", "show", name)
    file.write_text(shown.out.replace("order: uncertainty", "order: fifo"))
    changed = await platform.done("project", "apply", "-f", file, "--yes", "--json")
    assert [one["path"] for one in changed.json["diff"]] == ["stages[mark].order"]
    await platform.settled()

    (status,) = (await platform.done("project", "status", name, "--json")).json
    assert status["slots"]["queued"] == 4
    await platform.sync(lambda client: label_all(client, name), "labeler", "p-ann", name)
    await platform.settled()
    reviews = (await platform.done("reviews", "status", name, "--json")).json
    assert reviews == [{"stage": "mark", "counts": {"pending": 4}}]
    await platform.sync(lambda client: client.reviews.take(name, "mark"), "reviewer", "p-eve", name)
    released = await platform.done("reviews", "release", name, "p-eve", "--stage", "mark")
    assert "1 reviews wait for others again" in released.out
    await platform.sync(lambda client: accept_all(client, name), "reviewer", "p-eve", name)
    await platform.settled()

    labels = (await platform.done("labels", "list", name, "--state", "accepted", "--json")).json
    assert len(labels) == 4
    out = tmp_path / "labels.json"
    told = await platform.done("labels", "export-coco", name, "--out", out)
    assert f"4 annotations of 4 images in {out}" in told.out
    exported = json.loads(out.read_text())
    names = {f"field{number}.png" for number in range(4)}
    assert {image["file_name"] for image in exported["images"]} == names
    assert {tuple(one["bbox"]) for one in exported["annotations"]} == {(8, 10, 20, 16)}
    assert [one["name"] for one in exported["categories"]] == ["weed", "crop"]


def label_all(client: Client, name: str) -> None:
    """Label everything there is in batches, as a labeler."""
    for lease in client.leases.take(name, "mark", count=50):
        assert client.leases.image(lease)[:4] == b"\x89PNG"
        assert client.leases.heartbeat(lease) >= lease.expires_at
        submitted = client.leases.submit(lease, [weed()], seconds=12.0)
        assert (submitted.effort.drawn, submitted.effort.client_seconds) == (1, 12.0)
    with pytest.raises(NotFoundError):
        client.leases.take(name, "mark")


def accept_all(client: Client, name: str) -> None:
    """Accept everything there is, as a reviewer."""
    for lease in client.reviews.take(name, "mark", count=50):
        assert client.reviews.image(lease)[:4] == b"\x89PNG"
        verdict = client.reviews.judge(lease, "accept", seconds=3.0)
        assert verdict.verdict == "accepted"
    with pytest.raises(NotFoundError):
        client.reviews.take(name, "mark")


async def test_the_synchronous_client_does_all_of_it(platform: Platform, tmp_path: Path) -> None:
    name = "beets"
    fields.images(tmp_path / "day1", 3, seed=2)
    fields.images(tmp_path / "day2", 3, seed=3)
    (tmp_path / "day2" / "broken.png").write_bytes(b"\x89PNG nothing")
    progress: list[str] = []

    def upload(client: Client) -> UploadReport:
        client.datasets.create(name)
        client.teams.put(name, name="Beeters")
        return client.datasets.upload_folder(
            name, tmp_path, lambda one: progress.append(one.outcome), group_from_folder=True
        )

    report = await platform.sync(upload, "manager", "p-boss")
    assert [len(report.stored), len(report.refused)] == [6, 1]
    assert sorted(progress) == ["refused"] + ["stored"] * 6
    await platform.settled()

    def look(client: Client) -> list[Any]:
        planned = client.projects.apply(fields.document(name), dry_run=True)
        assert planned.diff
        assert name not in [project.project_id for project in client.projects.list()]
        assert client.projects.apply(fields.document(name)).version == 1
        assets = list(client.datasets.assets(name, state="ingested"))
        one = client.assets.get(assets[0].asset_id)
        assert client.assets.image(one.asset_id) == (tmp_path / one.file_name).read_bytes()
        assert client.assets.thumbnail(one.asset_id)[:2] == b"\xff\xd8"
        return assets

    assets = await platform.sync(look, "manager", "p-boss")
    assert {(one.file_name, one.declared_group) for one in assets} == {
        (f"day{day}/field{n}.png", f"{tmp_path.name}/day{day}") for day in (1, 2) for n in range(3)
    }
    assert len({one.group for one in assets}) == 2
    await platform.settled()

    def work(client: Client) -> None:
        first, second = client.leases.take(name, "mark", count=2)
        client.leases.draft(first, [weed("begun")])
        assert client.leases.get(first.lease_id).draft == (weed("begun"),)
        assert len([one for one in client.leases.held() if one.project_id == name]) == 2
        client.leases.give_back(first, "lunch")
        client.leases.skip(second, "too dark")
        (again,) = client.leases.take(name, "mark")
        with pytest.raises(InvalidRequestError, match="tree"):
            client.leases.submit(again, [weed().model_copy(update={"class_name": "tree"})])
        client.leases.submit(again, [weed()])
        with pytest.raises(ConflictError):
            client.leases.submit(again, [weed(left=9)])

    await platform.sync(work, "labeler", "p-ann", name)
    await platform.settled()

    def review(client: Client) -> str:
        (lease,) = client.reviews.take(name, "mark")
        held = [one for one in client.reviews.held() if one.stage_id == f"{name}/mark"]
        assert [one.lease_id for one in held] == [lease.lease_id]
        client.reviews.heartbeat(lease)
        client.reviews.give_back(lease)
        (lease,) = client.reviews.take(name, "mark")
        client.reviews.judge(lease, "reject", comment="that is a beet")
        return lease.label_id

    label_id = await platform.sync(review, "reviewer", "p-eve", name)
    await platform.settled()

    def rework(client: Client) -> None:
        assert client.reviews.verdict(label_id).comment == "that is a beet"
        leases = client.leases.take(name, "mark", count=50)
        (lease,) = [one for one in leases if one.rework_of == label_id]
        client.leases.submit(lease, [weed(left=20)])
        for other in leases:
            if other is not lease:
                client.leases.give_back(other)

    await platform.sync(rework, "labeler", "p-ann", name)
    await platform.settled()

    def correct(client: Client) -> None:
        (lease,) = client.reviews.take(name, "mark")
        verdict = client.reviews.judge(lease, "correct", annotations=[weed("w1", left=22)])
        assert verdict.verdict == "corrected"
        assert verdict.agreement is not None
        assert verdict.agreement < 1

    await platform.sync(correct, "reviewer", "p-eve", name)
    await platform.settled()
    out = tmp_path / "beets.json"
    report_of_export = await platform.sync(
        lambda client: client.exchange.export_coco(name, "mark", out), "manager", "p-boss"
    )
    assert (report_of_export.images, report_of_export.annotations) == (1, 1)
    assert json.loads(out.read_text())["annotations"][0]["bbox"] == [22, 10, 20, 16]


async def test_the_asynchronous_client_does_all_of_it_too(
    platform: Platform, tmp_path: Path
) -> None:
    name, folder = "maize", tmp_path / "images"
    paths = fields.images(folder, 5, seed=4)
    bands = fields.bands(folder / "nir", paths)
    async with platform.client("manager", "p-boss") as client:
        await client.datasets.create(name)
        await client.teams.put(name, name="Maizers", cost_per_hour=30)
        report = await client.datasets.upload_folder(name, folder, nir=folder / "nir")
        assert len(report.stored) == 5
        assert [one.path for one in report.files] == paths
        again = await client.datasets.upload_all(name, [Upload(path) for path in paths])
        assert all(one.skipped for one in again.files)
        assert report.files[0].asset is not None
        band = await client.assets.band(report.files[0].asset.asset_id, "nir")
        assert band == bands[0].read_bytes()
        await client.projects.apply(fields.document(name))
        (version,) = [one async for one in client.projects.versions(name)]
        assert (version.version, version.by) == (1, "p-boss")
    await platform.settled()
    async with platform.client("labeler", "p-ann", name) as client:
        leases = await client.leases.take(name, "mark", count=5)
        assert leases[0].asset.bands == ("nir",)
        assert (await client.leases.band(leases[0], "nir"))[:4] == b"\x89PNG"
        points = [weed(), weed("p1").model_copy(update=AS_POINT)]
        await asyncio.gather(*(client.leases.submit(lease, points) for lease in leases))
        with pytest.raises(ForbiddenError):
            await client.datasets.get(name)
    await platform.settled()
    async with platform.client("reviewer", "p-eve", name) as client:
        reviews = await client.reviews.take(name, "mark", count=5)
        assert (await client.reviews.band(reviews[0], "nir"))[:4] == b"\x89PNG"
        for review in reviews:
            await client.reviews.judge(review, "accept")
    await platform.settled()
    async with platform.client("engineer", "p-engineer") as client:
        labels = [one async for one in client.labels.list(name, "mark", "accepted")]
        check_labels(labels)
        done: list[int] = []
        out = tmp_path / "maize.json"
        told = await client.exchange.export_coco(name, "mark", out, progress=done.append)
        records = [one async for one in client.reviews.list(name, "mark")]
    assert len(records) == 5
    assert done == [1, 2, 3, 4, 5]
    assert (told.images, told.annotations) == (5, 5)
    assert told.left_out == {"COCO cannot hold a point": 5}

    async with platform.client("reviewer", "p-eve", name) as client:
        later = await client.reviews.correct(labels[0].label_id, [weed(left=30)])
        assert later.verdict == "corrected"
    await platform.settled()
    async with platform.client("engineer", "p-engineer") as client:
        await client.exchange.export_coco(name, "mark", out)
    boxes = [one["bbox"] for one in json.loads(out.read_text())["annotations"]]
    assert sorted(boxes) == [[8, 10, 20, 16]] * 4 + [[30, 10, 20, 16]]


AS_POINT: dict[str, Any] = {"class_name": "crop", "geometry": Point(at=(5.0, 5.0))}


def check_labels(labels: list[LabelRecord]) -> None:
    """Every label counts, was drawn by hand, and says where it came from."""
    assert len(labels) == 5
    for label in labels:
        assert label.accepted is not None
        assert label.accepted.reviewer_id == "p-eve"
        assert (label.person_id, label.team_id, label.effort.drawn) == ("p-ann", "maize", 2)


async def test_labelers_see_what_a_model_of_ones_own_predicted(
    platform: Platform, tmp_path: Path
) -> None:
    name = "rye"
    paths = fields.images(tmp_path, 8, seed=5)
    async with platform.client("admin", "p-admin") as client:
        await client.datasets.create(name)
        await client.teams.put(name, name="Ryers")
        report = await client.datasets.upload_all(name, [Upload(path) for path in paths])
        await client.projects.apply(fields.document(name))
        await platform.settled()

        asset_ids = [one.asset.asset_id for one in report.files if one.asset is not None]
        found = Predicted(id="a", class_name="weed", geometry=weed().geometry, score=0.75)
        unknown = found.model_copy(update={"class_name": "tree"})
        predictions = {asset_id: [found] for asset_id in asset_ids}
        reports = await client.predictions.upload(
            name, "mark", {**predictions, asset_ids[0]: [unknown]}, predictor="external.mine"
        )
        told = {one.asset_id: one for one in reports}
        assert told[asset_ids[0]].status == "refused"
        assert "tree" in (told[asset_ids[0]].detail or "")
        assert {told[one].status for one in asset_ids[1:]} == {"stored"}
        await client.predictions.upload(
            name, "mark", {asset_ids[0]: [found]}, predictor="external.mine", version="2"
        )
        with pytest.raises(ConflictError):
            await client.predictions.upload(name, "mark", predictions, predictor="external.other")
        await platform.settled()
        assert (await client.predictions.status(name, "mark")).answered == 8
        (prediction,) = [one async for one in client.predictions.list(asset_id=asset_ids[0])]
        assert (prediction["predictor"], prediction["predictor_version"]) == ("external.mine", "2")
        tasks = [task async for task in client.projects.tasks(name, "mark")]
    assisted = {task["task_id"] for task in tasks if task["arm"] == "assisted"}
    assert assisted
    async with platform.client("labeler", "p-ann", name) as client:
        for lease in await client.leases.take(name, "mark", count=50):
            if lease.task_id not in assisted:
                assert lease.prelabel is None, "a hold-out label is always made unassisted"
                continue
            assert lease.prelabel is not None
            assert lease.prelabel.shapes == (found,)
            kept = weed().model_copy(update={"prelabel_id": "a"})
            submitted = await client.leases.submit(lease, [kept])
            assert (submitted.effort.confirmed, submitted.effort.drawn) == (1, 0)


async def test_a_bad_token_and_a_missing_right_are_told_in_a_line(platform: Platform) -> None:
    client = AsyncClient(platform.url, "nonsense")
    with pytest.raises(UnauthenticatedError):
        await client.datasets.get("weeds")
    await client.aclose()
    bad = await platform.command("datasets", "list", "--token", "nonsense")
    assert (bad.code, bad.err.count("\n")) == (1, 1)
    assert "wakeline token" in bad.err
    forbidden = await platform.command("datasets", "list", role="labeler")
    assert (forbidden.code, forbidden.err.count("\n")) == (1, 1)
    assert "read-assets" in forbidden.err
    missing = await platform.command("project", "status", "nothing")
    assert (missing.code, missing.err.count("\n")) == (1, 1)
    assert "no-such-project" in missing.err
