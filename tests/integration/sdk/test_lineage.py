"""From an upload to the model that was trained on it, and all the way back."""

from pathlib import Path

import pytest

from wakeline_sdk import NotFoundError, Upload

from . import fields
from .fields import weed
from .services import Platform
from .test_operating import ended_run

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]

IMAGES, LABELED = 12, 10


async def test_a_model_is_traced_to_its_images_and_an_image_to_the_model(
    platform: Platform, tmp_path: Path
) -> None:
    name = "rapeseed"
    training = {"trainer": "boxes"}
    wanted = fields.document(name, training=training, review={"share": 0}, holdout_share=0.5)
    async with platform.client("admin", "p-admin") as client:
        await client.datasets.create(name)
        await client.teams.put(name, name="Rapers")
        paths = fields.images(tmp_path, IMAGES, seed=11)
        await client.datasets.upload_all(name, [Upload(path) for path in paths])
        await client.projects.apply(wanted)
        await platform.settled()
    async with platform.client("labeler", "p-ann", name) as client:
        leases = await client.leases.take(name, "mark", count=LABELED)
        submitted = {
            lease.asset.asset_id: (await client.leases.submit(lease, [weed()])).label_id
            for lease in leases
        }
    await platform.settled()
    run = (await platform.done("runs", "start", name, "mark", "--json")).json
    assert (await ended_run(platform, run["run_id"]))["state"] == "completed"
    await platform.settled()
    (trained,) = (await platform.done("models", "list", name, "--json")).json
    model = trained["model_version"]

    asked = ("trace", model, "--json")
    back = (await platform.done(*asked, role="auditor")).json
    found: dict[str, set[str]] = {}
    for node in back:
        found.setdefault(node["kind"], set()).add(node["id"])
    assert found["run"] == {run["run_id"]}
    assert found["model"] == {model}
    frozen = (await platform.done("dataset-versions", "list", name, "--json")).json
    assert found["dataset-version"] == {one["dataset_version"] for one in frozen}
    assert found["label"] <= set(submitted.values())
    trained_on = found["asset"]
    assert len(trained_on) == len(found["label"]) >= 5
    assert trained_on <= set(submitted)
    assert "p-ann" in found["person"]

    image = sorted(trained_on)[0]
    on = (await platform.done("impact", image, "--json", role="auditor")).json
    assert model in {node["id"] for node in on}
    tree = (await platform.done("trace", model)).out
    for words in ("made: run", "was trained on by: dataset-version", "is in: review", "nodes"):
        assert words in tree
    history = (await platform.done("history", model)).out
    assert "model.trained" in history
    async with platform.client("auditor", "p-audit") as client:
        (label,) = [submitted[image]]
        types = [event.type async for event in client.lineage.history(label)]
        assert types.count("label.completed") == types.count("label.accepted") == 1
        around = [one async for one in client.lineage.neighbours(f"run:{run['run_id']}", "on")]
        assert [one.id for one in around] == [model]
        assert (await client.lineage.gaps()).gaps == ()
        with pytest.raises(NotFoundError, match="dataset versions"):
            [node async for node in client.lineage.trace("nobody-knows-this")]
    refused = await platform.command("trace", image, role="labeler")
    assert (refused.code, "forbidden" in refused.err) == (1, True)
