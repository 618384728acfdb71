"""Real COCO files through the platform: as trusted labels, as predictions, and out again."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from wakeline_sdk import Annotation, Client
from wakeline_sdk.coco import class_names, shape_from_coco

from .services import Platform

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3, pytest.mark.data]


@pytest.fixture(scope="module")
def folder() -> Path:
    beside = Path(__file__).parents[3].parent / "shared" / "data"
    path = Path(os.environ.get("WAKELINE_TEST_DATA", beside)) / "general_coco"
    if not path.exists():
        pytest.skip(f"needs {path}: set WAKELINE_TEST_DATA to the folder with the real images")
    return path


@pytest.fixture(scope="module")
def document(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "annotations.json").read_text())
    return found


def project(document: dict[str, Any], name: str, **stage: Any) -> dict[str, Any]:
    """A project that can hold everything a COCO file says."""
    crowd = {"name": "iscrowd", "kind": "boolean"}
    kinds = ["polygon", "mask", "box"]
    classes = [
        {"name": one["name"], "kinds": kinds, "attributes": [crowd]}
        for one in document["categories"]
    ]
    quick = {"paired_below": 0, "prelabel_wait_seconds": 0, "benchmark_share": 0}
    return {
        "project": name,
        "datasets": ["general"],
        "ontology": {"classes": classes},
        "stages": [{"name": "mark", "team": "general", **quick, **stage}],
    }


@pytest.fixture(scope="module")
async def general(platform: Platform, folder: Path) -> Platform:
    """The platform with the images in it."""
    upload = ("upload", "general", folder / "images", "--create", "--json")
    stored = (await platform.done(*upload)).json
    assert (stored["stored"], stored["refused"]) == (53, 0)
    await platform.done("team", "set", "general")
    await platform.settled()
    return platform


async def applied(platform: Platform, folder: Path, wanted: dict[str, Any]) -> None:
    file = folder / f"{wanted['project']}.json"
    file.write_text(json.dumps(wanted))
    await platform.done("project", "apply", "-f", file, "--yes")
    await platform.settled()


async def test_a_labeled_file_comes_out_as_it_went_in(
    general: Platform, folder: Path, document: dict[str, Any], tmp_path: Path
) -> None:
    wanted = project(document, "general-labels", review={"share": 0}, control_share=0)
    await applied(general, tmp_path, wanted)
    by_name = shapes_by_name_of(document)
    async with general.client("admin", "p-admin") as client:
        names = {one.digest: one.file_name async for one in client.datasets.assets("general")}

    def label(client: Client) -> None:
        leases = client.leases.take("general-labels", "mark", count=50)
        leases += client.leases.take("general-labels", "mark", count=50)
        assert len(leases) == 53
        for lease in leases:
            client.leases.submit(lease, by_name[names[lease.asset.digest]])

    await general.sync(label, "labeler", "p-ann", "general")
    await general.settled()

    original = folder / "annotations.json"
    out = tmp_path / "again.json"
    export = ("labels", "export-coco", "general-labels", "-o", out, "--json")
    report = (await general.done(*export, "--like", original)).json
    assert report == {"images": 53, "annotations": 519, "left_out": {}}
    again = json.loads(out.read_text())
    for key in ("info", "licenses", "categories"):
        assert again[key] == document[key]
    images = {one["id"]: one for one in again["images"]}
    for image in document["images"]:
        assert image.items() <= images[image["id"]].items()
    annotations = {one["id"]: one for one in again["annotations"]}
    for annotation in document["annotations"]:
        exported = annotations[annotation["id"]]
        assert exported.keys() == annotation.keys()
        for key in ("image_id", "category_id", "iscrowd", "segmentation"):
            assert exported[key] == annotation[key]
        if not annotation["iscrowd"]:  # a crowd's box and area are not those of its mask
            assert exported["bbox"] == pytest.approx(annotation["bbox"], abs=1e-6)
            assert exported["area"] == pytest.approx(annotation["area"], rel=1e-9)

    plain = tmp_path / "plain.json"
    await general.done("labels", "export-coco", "general-labels", "-o", plain, "--compressed")
    numbered = json.loads(plain.read_text())
    assert [one["id"] for one in numbered["categories"]] == list(range(1, 81))
    assert {one["id"] for one in numbered["images"]} == set(range(1, 54))
    crowds = [one["segmentation"] for one in numbered["annotations"] if one["iscrowd"]]
    assert len(crowds) == 6
    assert all(isinstance(one["counts"], str) for one in crowds)


def shapes_by_name_of(document: dict[str, Any]) -> dict[str, list[Annotation]]:
    """File name -> its annotations."""
    classes = class_names(document["categories"])
    images = {image["id"]: image for image in document["images"]}
    found: dict[str, list[Annotation]] = {image["file_name"]: [] for image in images.values()}
    for annotation in document["annotations"]:
        image = images[annotation["image_id"]]
        shape = shape_from_coco(annotation, classes, (image["height"], image["width"]))
        found[image["file_name"]].append(Annotation(**shape.model_dump()))
    return found


async def test_a_file_becomes_trusted_labels_and_results_become_predictions(
    general: Platform, folder: Path, document: dict[str, Any], tmp_path: Path
) -> None:
    name, original = "general-truth", folder / "annotations.json"
    wanted = project(document, name, predictors=[{"name": "external"}])
    for definition in wanted["ontology"]["classes"]:
        if definition["name"] == "person":
            definition |= {"kinds": ["box"], "attributes": []}
    wanted["ontology"]["classes"] = [
        one for one in wanted["ontology"]["classes"] if one["name"] != "bottle"
    ]
    await applied(general, tmp_path, wanted)
    counted = {one["id"]: one["name"] for one in document["categories"]}
    people = [one for one in document["annotations"] if counted[one["category_id"]] == "person"]
    bottles = [one for one in document["annotations"] if counted[one["category_id"]] == "bottle"]

    results = [
        {"image_id": one["image_id"], "category_id": one["category_id"], "score": 0.5,
         "bbox": one["bbox"]}
        for one in document["annotations"]
    ]  # fmt: skip
    file = tmp_path / "results.json"
    file.write_text(json.dumps(results))
    blind = await general.command("predictions", "upload", name, "mark", file, "--json")
    assert blind.code == 1
    assert "519 annotations" in blind.json["refused"]["images that no file describes"]
    upload = ("predictions", "upload", name, "mark", file, "--images", original, "--json")
    told = (await general.done(*upload)).json
    with_results = {one["image_id"] for one in results}
    assert (told["stored"], told["refused"]) == (len(with_results), {})
    assert told["left_out"] == {
        "class 'bottle', which is not in the ontology": len(bottles),
    }
    await general.settled()
    status = (await general.done("predictions", "status", name, "--json")).json
    assert status["answered"] == len(with_results)

    said = await general.command("benchmarks", "import-coco", name, "mark", original, "--json")
    told = said.json
    crowds = sum(one["iscrowd"] for one in people)
    assert told["left_out"] == {
        "class 'bottle', which is not in the ontology": len(bottles),
        "polygon of 'person', kept as its box": len(people) - crowds,
        "mask of 'person', kept as its box": crowds,
        "attribute 'iscrowd' of 'person', which is not in the ontology": crowds,
    }
    assert (said.code, told["stored"], told["refused"]) == (0, 53, {})
    await general.settled()
    async with general.client("admin", "p-admin") as client:
        tasks = [task async for task in client.projects.tasks(name, "mark")]
    assert {task["arm"] for task in tasks} == {"benchmark"}


async def test_json_lines_are_uploaded_by_name_and_refusals_are_listed(
    general: Platform, document: dict[str, Any], tmp_path: Path
) -> None:
    name = "general-lines"
    wanted = project(document, name, predictors=[{"name": "external.lines"}])
    await applied(general, tmp_path, wanted)
    box = {"class_name": "dog", "geometry": {"kind": "box", "corners": [1, 1, 9, 9]}, "score": 0.9}
    names = [image["file_name"] for image in document["images"]]
    rows: list[Any] = [{"file_name": one, "shapes": [box]} for one in names[:10]]
    rows += [{"file_name": "nowhere.jpg", "shapes": []}]
    rows += [{"file_name": names[11], "shapes": [{**box, "class_name": "unicorn"}]}]
    file = tmp_path / "predictions.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    upload = ("predictions", "upload", name, "mark", file, "--predictor", "external.lines")
    said = await general.command(*upload)
    assert said.code == 1
    assert "10 predictions stored, 2 refused" in said.out
    assert "no asset is named nowhere.jpg" in said.out
    assert "unicorn" in said.out
    broken = tmp_path / "broken.json"
    broken.write_text('[{"image_id": 1,')
    said = await general.command("predictions", "upload", name, "mark", broken)
    assert said.code == 1
    assert "is not JSON" in said.err
