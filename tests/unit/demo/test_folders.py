"""Folders of images with truth: what is read, and what is said of one that is no such folder."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wakeline_demo import folders
from wakeline_demo.folders import FolderError
from wakeline_demo.plan import plan_for
from wakeline_events.configuration import ProjectDocument
from wakeline_events.ontology import problems_in

BOX = {"bbox": [4, 5, 10, 8], "segmentation": []}
POLYGON = {"bbox": [4, 5, 10, 8], "segmentation": [[4.0, 5.0, 14.0, 5.0, 14.0, 13.0, 4.0, 13.0]]}
MASK = {"bbox": [0, 0, 2, 24], "segmentation": {"size": [24, 32], "counts": [0, 48, 720]}}


def test_images_come_with_their_shapes_digests_and_sizes(tmp_path: Path) -> None:
    folder = folders.read(_folder(tmp_path / "My_Cells", [BOX, BOX]))
    assert folder.name == "my-cells"
    assert folder.classes == ("cell",)
    assert folder.kind == "box"
    assert not folder.has_nir
    assert not folder.plants
    image = folder.images[0]
    assert image.digest == hashlib.sha256(image.path.read_bytes()).hexdigest()
    assert (image.width, image.height) == (32, 24)
    assert [shape.geometry.kind for shape in image.shapes] == ["box", "box"]


def test_a_crowd_is_no_object(tmp_path: Path) -> None:
    folder = folders.read(_folder(tmp_path, [BOX, {**BOX, "iscrowd": 1}]))
    assert len(folder.images[0].shapes) == 1


def test_classes_without_an_object_are_left_out(tmp_path: Path) -> None:
    path = _folder(tmp_path, [BOX], categories=["cell", "never seen"])
    assert folders.read(path).classes == ("cell",)


def test_infrared_counts_only_where_every_image_has_it(tmp_path: Path) -> None:
    path = _folder(tmp_path, [MASK], images=2)
    document = json.loads((path / "annotations.json").read_text())
    document["images"][0]["nir_file"] = "nir/0.png"
    (path / "annotations.json").write_text(json.dumps(document))
    assert not folders.read(path).has_nir
    document["images"][1]["nir_file"] = "nir/1.png"
    (path / "annotations.json").write_text(json.dumps(document))
    assert folders.read(path).has_nir


@pytest.mark.parametrize("truth", [[BOX], [MASK], [POLYGON], [POLYGON, MASK], [BOX, MASK]], ids=str)
def test_a_project_for_a_folder_takes_everything_that_its_truth_holds(
    truth: list[dict[str, Any]], tmp_path: Path
) -> None:
    folder = folders.read(_folder(tmp_path, truth, images=12))
    plan = plan_for(folder, "p", iterations=3, seed=1, max_seconds=10)
    ontology = ProjectDocument.model_validate(plan.document).ontology
    for image in folder.images:
        assert problems_in(image.shapes, ontology, width=image.width, height=image.height) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: (path / "annotations.json").unlink(),
        lambda path: (path / "annotations.json").write_text("not JSON"),
        lambda path: (path / "annotations.json").write_text("{}"),
        lambda path: next((path / "images").iterdir()).unlink(),
        lambda path: _edit(path, lambda d: d["annotations"][0].update(image_id=99)),
        lambda path: _edit(path, lambda d: d["annotations"][0].update(category_id=99)),
        lambda path: _edit(path, lambda d: d["annotations"][0].update(bbox=[1, 2])),
    ],
    ids=["no annotations", "no JSON", "empty", "image missing", "image", "category", "box"],
)
def test_a_folder_that_cannot_be_used_says_what_it_needs(spoil: Any, tmp_path: Path) -> None:
    path = _folder(tmp_path, [BOX])
    spoil(path)
    with pytest.raises(FolderError, match=r"it needs annotations\.json \(COCO\) and images/"):
        folders.read(path)


def _folder(
    path: Path,
    truth: list[dict[str, Any]],
    *,
    images: int = 1,
    categories: list[str] | None = None,
) -> Path:
    """A folder of small images that all hold the same objects."""
    (path / "images").mkdir(parents=True, exist_ok=True)
    names = categories or ["cell"]
    document: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names, start=1)],
    }
    for number in range(images):
        name = f"{number}.png"
        pixels = np.full((24, 32, 3), number, np.uint8)
        Image.fromarray(pixels).save(path / "images" / name)
        document["images"].append({"id": number, "file_name": name, "width": 32, "height": 24})
        document["annotations"] += [
            {"id": 10 * number + n, "image_id": number, "category_id": 1, "iscrowd": 0, **shape}
            for n, shape in enumerate(truth)
        ]
    (path / "annotations.json").write_text(json.dumps(document))
    return path


def _edit(path: Path, change: Any) -> None:
    document = json.loads((path / "annotations.json").read_text())
    change(document)
    (path / "annotations.json").write_text(json.dumps(document))
