"""COCO files as streams: reading, writing, and finding the assets that they speak of."""

import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wakeline_geometry import coco as oracle
from wakeline_geometry.shapes import Shape as OracleShape
from wakeline_sdk import Annotation, Box, Classification, Mask, Point, Polygon, Predicted
from wakeline_sdk.coco import CocoWriter, Numbering, members, reading
from wakeline_sdk.coco.importing import Lines, Proposals, Truth, is_json_lines
from wakeline_sdk.coco.joining import Join
from wakeline_sdk.models import AssetRecord
from wakeline_sdk.ontology import Fitting, categories_for

CATEGORIES = [{"id": 3, "name": "hull", "supercategory": "ship"}, {"id": 9, "name": "wake"}]
IMAGE = {"id": 4, "file_name": "a.jpg", "width": 10, "height": 8}
ONTOLOGY = {
    "classes": [
        {"name": "hull", "kinds": ["box", "polygon", "mask"], "attributes": [{"name": "iscrowd"}]},
        {"name": "wake", "kinds": ["box"]},
    ]
}

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.dictionaries(st.text(), values), st.lists(values)), st.integers(1, 9))
def test_a_file_is_read_the_same_in_pieces_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: Any, chunk: int
) -> None:
    file = tmp_path / "value.json"
    file.write_text(json.dumps(value, indent=1), encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(reading, "CHUNK", chunk)
        found = list(members(file))
    named = value.items() if isinstance(value, dict) else [("", value)]
    expected = [
        (key, element)
        for key, one in named
        for element in (one if isinstance(one, list) else [one])
    ]
    assert found == expected


@pytest.mark.parametrize("text", ["", "{", '{"a": [1, 2', '{"a" 1}', "[1 2]", "no", '"text"'])
def test_what_is_not_json_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="is not JSON"):
        list(members(file))


@given(st.lists(st.integers(-2, 30) | st.none()))
def test_ids_are_numbered_as_the_platform_numbers_them(wanted: list[int | None]) -> None:
    shapes = [
        OracleShape(
            id="x" if number is None else str(number),
            class_name="hull",
            geometry={"kind": "box", "corners": (0, 0, 1, 1)},
        )
        for number in wanted
    ]
    theirs = oracle.annotations_to_coco([(IMAGE, shapes)], {"hull": 3})
    numbering = Numbering()
    asked = [None if number is None or number < 0 else number for number in wanted]
    assert [numbering.take(number) for number in asked] == [one["id"] for one in theirs]


def shape(name: str, geometry: Any, class_name: str = "hull") -> Annotation:
    return Annotation(id=name, class_name=class_name, geometry=geometry)


def test_a_written_file_is_coco_and_says_what_was_left_out(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    ring = (0.0, 0.0, 4.0, 0.0, 4.0, 4.0)
    with CocoWriter(out, CATEGORIES, info={"year": 2026}, licenses=[{"id": 1}]) as writer:
        drawn = [shape("17", Polygon(parts=(ring,))), shape("p", Point(at=(1, 1)))]
        writer.add(IMAGE, [*drawn, shape("q", Classification(), "buoy")])
        writer.add({**IMAGE, "id": 5}, [])
        assert not out.exists(), "nobody sees half a file"
    written = json.loads(out.read_text())
    assert written["info"] == {"year": 2026}
    assert [image["id"] for image in written["images"]] == [4, 5]
    assert written["categories"] == CATEGORIES
    (annotation,) = written["annotations"]
    assert (annotation["id"], annotation["segmentation"]) == (17, [list(ring)])
    assert annotation["area"] == 8
    assert writer.left_out == {"COCO cannot hold a point": 1, "class 'buoy' has no category": 1}
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_that_could_not_be_finished_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    out.write_text("the one before")
    with pytest.raises(KeyError, match="id"), CocoWriter(out, CATEGORIES) as writer:
        writer.add({"width": 10, "height": 8}, [shape("1", Box(corners=(1, 1, 2, 3)))])
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
    assert out.read_text() == "the one before"


def test_memory_is_a_fraction_of_the_file(tmp_path: Path) -> None:
    file, images = tmp_path / "large.json", 250
    outline = shape("s", Polygon(parts=(tuple(n / 7 for n in range(200)),)))
    tracemalloc.start()
    with CocoWriter(file, CATEGORIES) as writer:
        for number in range(1, images + 1):
            name = f"{number}.jpg"
            writer.add({**IMAGE, "id": number, "file_name": name}, [outline, outline])
    with Join() as join:
        join.read(file)
        assert sum(len(found.annotations) for found in join.matched()) == 2 * images
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert file.stat().st_size > 1_600_000
    assert peak < 650_000


def asset(name: str, number: int = 1, **more: Any) -> AssetRecord:
    digest = f"{number:064x}"
    fields = {
        "asset_id": f"sea:{digest}", "dataset_id": "sea", "file_name": name, "digest": digest,
        "state": "ingested", "format": "JPEG", "width": 10, "height": 8, "channels": 3, "bits": 8,
        "bytes": 9, "received_at": datetime.now(UTC), **more,
    }  # fmt: skip
    return AssetRecord.model_validate(fields)


def file_of(folder: Path, value: Any) -> Path:
    file = folder / "coco.json"
    file.write_text(json.dumps(value))
    return file


def annotated(*names: str, **annotation: Any) -> dict[str, Any]:
    images = [{**IMAGE, "id": n, "file_name": name} for n, name in enumerate(names, start=1)]
    base = {"category_id": 3, "bbox": [1, 1, 4, 3], "iscrowd": 0}
    annotations = [{"id": 10 * n, "image_id": n, **base, **annotation} for n in range(1, 3)]
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


def truth_of(folder: Path, document: Any, *assets: AssetRecord) -> tuple[dict[str, Any], Truth]:
    with Join() as join:
        for one in assets:
            join.add_asset(one)
        join.read(file_of(folder, document))
        truth = Truth(join, Fitting(ONTOLOGY))
        return dict(truth), truth


def test_images_are_found_by_their_name_or_its_last_part(tmp_path: Path) -> None:
    document = annotated("day/a.jpg", "b.jpg", "nowhere.jpg")
    found, truth = truth_of(tmp_path, document, asset("day/a.jpg", 1), asset("night/b.jpg", 2))
    assert [len(shapes) for shapes in found.values()] == [1, 1]
    assert list(found) == [asset("", 1).asset_id, asset("", 2).asset_id]
    assert truth.refused == {"nowhere.jpg": "no asset is named nowhere.jpg"}


def test_a_name_that_several_assets_have_is_refused_unless_the_file_names_the_asset(
    tmp_path: Path,
) -> None:
    both = asset("a.jpg", 1), asset("a.jpg", 2)
    document = annotated("a.jpg", "a.jpg")
    found, truth = truth_of(tmp_path, document, *both)
    assert not found
    assert "several assets" in truth.refused["a.jpg"]
    for image, one in zip(document["images"], both, strict=True):
        image["asset_id"] = one.asset_id
    found, truth = truth_of(tmp_path, document, *both)
    assert list(found) == [one.asset_id for one in both]


def test_an_image_of_another_size_than_its_asset_is_refused(tmp_path: Path) -> None:
    found, truth = truth_of(tmp_path, annotated("a.jpg", "b.jpg"), asset("a.jpg", 1, width=8))
    assert not found
    assert "10 x 8 pixels in the file, but its asset of 8 x 8" in truth.refused["a.jpg"]


def test_an_image_with_an_unusable_annotation_is_refused_and_the_others_are_not(
    tmp_path: Path,
) -> None:
    document = annotated("a.jpg", "b.jpg")
    document["annotations"][0]["bbox"] = [1, 1, 0, 3]
    found, truth = truth_of(tmp_path, document, asset("a.jpg", 1), asset("b.jpg", 2))
    assert list(found) == [asset("", 2).asset_id]
    assert "annotation 10 is a box without" in truth.refused["a.jpg"]


def test_what_the_ontology_cannot_hold_is_left_out_and_counted(tmp_path: Path) -> None:
    document = annotated("a.jpg", "b.jpg", occluded=True, iscrowd=1, keypoints=[1])
    ring = [1, 1, 6, 1, 6, 5]
    document["annotations"][1] |= {"category_id": 9, "segmentation": [ring], "iscrowd": 0}
    document["annotations"].append({**document["annotations"][0], "id": 77, "category_id": 5})
    document["categories"] = [*CATEGORIES, {"id": 5, "name": "buoy"}]
    with Join() as join:
        join.add_asset(asset("a.jpg", 1))
        join.add_asset(asset("b.jpg", 2))
        join.read(file_of(tmp_path, document))
        fitting = Fitting(ONTOLOGY)
        first, second = dict(Truth(join, fitting)).values()
    assert [(one.id, one.attributes) for one in first] == [("10", {"iscrowd": True})]
    assert [one.geometry for one in second] == [Box(corners=(1, 1, 6, 5))]
    assert fitting.left_out == {
        "keypoints, which a shape cannot hold": 3,
        "attribute 'coco:occluded' of 'hull', which is not in the ontology": 1,
        "class 'buoy', which is not in the ontology": 1,
        "polygon of 'wake', kept as its box": 1,
        "attribute 'coco:occluded' of 'wake', which is not in the ontology": 1,
    }


def test_a_class_that_is_drawn_otherwise_is_left_out() -> None:
    fitting = Fitting({"classes": [{"name": "hull", "kinds": ["mask", "point"]}]})
    assert fitting.fit(shape("1", Box(corners=(0, 0, 1, 1)))) is None
    assert fitting.left_out == {"box of 'hull', which is drawn as mask or point": 1}
    empty = Fitting({"classes": [{"name": "hull", "kinds": ["box"]}]})
    assert empty.fit(shape("1", Mask(size=(2, 2), counts="4"))) is None


def test_results_need_the_file_that_says_what_their_ids_mean(tmp_path: Path) -> None:
    box = {"category_id": 3, "bbox": [1, 1, 2, 2]}
    results = [{"image_id": 1, **box, "score": 0.5}, {"image_id": 8, **box}]
    reference = tmp_path / "reference.json"
    reference.write_text(json.dumps(annotated("a.jpg", "b.jpg")))
    with Join() as join:
        join.add_asset(asset("a.jpg", 1))
        join.add_asset(asset("b.jpg", 2))
        join.read(reference, only=("images", "categories"))
        join.read(file_of(tmp_path, results))
        proposals = Proposals(join, Fitting(ONTOLOGY))
        (asset_id, (proposed,)), empty = list(proposals)
    assert asset_id == asset("", 1).asset_id
    assert empty == (asset("", 2).asset_id, [])  # listed, so looked at, and nothing was found
    assert proposed == Predicted(
        id="1", class_name="hull", geometry=Box(corners=(1, 1, 3, 3)), score=0.5
    )
    assert "1 annotations are of them" in proposals.refused["images that no file describes"]


def test_json_lines_name_their_image_by_id_digest_or_name(tmp_path: Path) -> None:
    box = {"class_name": "hull", "geometry": {"kind": "box", "corners": [1, 1, 2, 2]}}
    rows: list[Any] = [
        {"asset_id": "sea:any", "shapes": [box, {**box, "score": 0.25}]},
        {"digest": asset("", 2).digest, "shapes": []},
        {"file_name": "a.jpg", "shapes": []},
        {"file_name": "z.jpg", "shapes": []},
        {"digest": "00", "shapes": []},
        {"asset_id": "sea:any", "shapes": [{"class_name": "hull"}]},
        {"shapes": []},
    ]
    file = tmp_path / "predictions.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows) + "\n\nnonsense\n")
    assert is_json_lines(file)
    assert not is_json_lines(file_of(tmp_path, annotated("a.jpg")))
    with Join() as join:
        join.add_asset(asset("a.jpg", 1))
        join.add_asset(asset("b.jpg", 2))
        lines = Lines(file, join, ["other", "sea"])
        found = list(lines)
    assert [asset_id for asset_id, _ in found] == [
        "sea:any", asset("", 2).asset_id, asset("", 1).asset_id,
    ]  # fmt: skip
    assert [(one.id, one.score) for one in found[0][1]] == [("1", 1.0), ("2", 0.25)]
    assert list(lines.refused) == ["line 4", "line 5", "line 6", "line 7", "line 9"]


def test_classes_that_a_given_file_lacks_get_ids_of_their_own() -> None:
    assert categories_for(ONTOLOGY, []) == [{"id": 1, "name": "hull"}, {"id": 2, "name": "wake"}]
    assert categories_for(ONTOLOGY, CATEGORIES[:1]) == [*CATEGORIES[:1], {"id": 4, "name": "wake"}]
