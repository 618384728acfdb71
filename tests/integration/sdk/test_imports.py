"""Labels of another tool through the command line: COCO and JSON lines in, accepted labels out."""

import json
from pathlib import Path
from typing import Any

import pytest

from . import fields
from .services import Platform

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]
RING = [4.0, 4.0, 20.0, 4.0, 20.0, 18.5]


async def test_labels_of_another_tool_count_without_anybodys_work(
    platform: Platform, tmp_path: Path
) -> None:
    name = "moved"
    paths = fields.images(tmp_path / name, 8, seed=77)
    await platform.done("upload", name, tmp_path / name, "--create")
    await platform.done("team", "set", name)
    document = fields.document(name, review={"share": 1.0}, training=None)
    project = tmp_path / "project.json"
    project.write_text(json.dumps(document))
    await platform.done("project", "apply", "-f", project, "--yes")
    await platform.settled()

    coco = tmp_path / "old.json"
    coco.write_text(json.dumps(_coco([path.name for path in paths[:6]])))
    command = ("labels", "import", name, "mark", coco, "--source", "cvat", "--json")
    careful = (await platform.command(*command)).json
    assert careful["refused"]
    assert all("held out" in reason for reason in careful["refused"].values())
    trusted = (await platform.done(*command, "--trusted")).json
    assert (trusted["stored"], trusted["refused"]) == (6, {})
    await platform.settled()

    gold = tmp_path / "gold.jsonl"
    shape = {"class_name": "weed", "geometry": {"kind": "polygon", "parts": [RING]}}
    gold.write_text(json.dumps({"file_name": paths[6].name, "shapes": [shape]}) + "\n{}\n")
    told = await platform.command("benchmarks", "import", name, "mark", gold, "--json")
    assert told.code == 1
    assert told.json["stored"] == 1
    assert list(told.json["refused"]) == ["line 2"]
    await platform.settled()

    async with platform.client("manager", "p-manager") as client:
        labels = [one async for one in client.labels.list(name, "mark", "accepted")]
        assert {one.person_id for one in labels} == {"import:cvat"}
        assert {one.p_selected for one in labels} == {0.0}
        assert len(labels) == 6
        for label in labels:
            assert label.accepted is not None
            assert label.accepted.verdict == "unreviewed"
            (shape_again,) = label.accepted.annotations
            assert shape_again.geometry.model_dump()["parts"] == (tuple(RING),)


def _coco(names: list[str]) -> dict[str, Any]:
    size = {"width": fields.SIZE, "height": fields.SIZE}
    return {
        "images": [{"id": n, "file_name": name, **size} for n, name in enumerate(names)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "iscrowd": 0, "segmentation": [RING]}
            for n in range(len(names))
        ],
        "categories": [{"id": 1, "name": "weed"}],
    }
