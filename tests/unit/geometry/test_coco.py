import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from wakeline_geometry import coco, masks
from wakeline_geometry.shapes import Box, Mask, Point, Polygon, Predicted, Shape

from .strategies import CLASSES, SIZE, bitmap_masks, boxes, polygons, rectangle, shapes

NAMES = {3: "hull", 7: "wake", 90: "buoy"}
IDS = {name: number for number, name in NAMES.items()}
IMAGE = {"id": 5, "height": SIZE[0], "width": SIZE[1], "file_name": "a.jpg"}
RING = [0.5, 0.25, 10, 0, 10, 10]

attribute_names = st.text(min_size=1, max_size=8).filter(lambda name: name != "iscrowd")
attributes = st.dictionaries(
    st.one_of(attribute_names, attribute_names.map(lambda name: coco.PREFIX + name)),
    st.one_of(st.text(max_size=5), st.booleans(), st.integers(), st.floats(allow_nan=False,
              allow_infinity=False)),
    max_size=4,
)  # fmt: skip


def annotation(**fields: Any) -> dict[str, Any]:
    base = {"id": 11, "image_id": 5, "category_id": 7, "iscrowd": 0, "segmentation": [RING]}
    return {**base, **fields}


def imported(**fields: Any) -> Shape:
    return coco.shape_from_coco(annotation(**fields), NAMES, SIZE)


def exported(shape: Shape, *, compressed: bool = False) -> dict[str, Any]:
    return coco.annotation_to_coco(
        shape,
        annotation_id=int(shape.id),
        image_id=5,
        category_ids=IDS,
        size=SIZE,
        compressed=compressed,
    )


@given(shapes(st.one_of(polygons, bitmap_masks)), attributes, st.booleans(), st.booleans())
def test_a_shape_survives_coco_and_json(
    drawn: list[Shape], extra: dict[str, Any], crowd: bool, compressed: bool
) -> None:
    kept = {**extra, **({"iscrowd": True} if crowd else {})}
    label = [
        shape.model_copy(update={"id": str(i), "attributes": kept})
        for i, shape in enumerate(drawn, start=1)
    ]
    written = coco.annotations_to_coco([(IMAGE, label)], IDS, compressed=compressed)
    entries = json.loads(json.dumps(list(written)))
    assert [coco.shape_from_coco(entry, NAMES, SIZE) for entry in entries] == label


@given(boxes())
def test_a_box_survives_to_a_millionth_of_a_pixel(box: Box) -> None:
    shape = Shape(id="1", class_name="hull", geometry=box)
    again = coco.shape_from_coco(exported(shape), NAMES, SIZE)
    assert isinstance(again.geometry, Box)
    assert again.geometry.corners == pytest.approx(box.corners, abs=2e-6)


def test_a_polygon_keeps_all_its_parts() -> None:
    shape = imported(segmentation=[RING, [20, 20, 22, 20, 22, 22]])
    assert shape.geometry == Polygon(parts=(tuple(RING), (20, 20, 22, 20, 22, 22)))
    again = exported(shape)
    assert again["segmentation"] == [RING, [20, 20, 22, 20, 22, 22]]
    assert again["bbox"] == [0.5, 0, 21.5, 22]
    assert again["category_id"] == 7


@pytest.mark.parametrize("form", ["text", "bytes", "list"])
def test_every_form_of_run_lengths_is_the_same_mask(form: str) -> None:
    mask = rectangle(3, 4, 5, 6)
    counts = {
        "text": mask.counts,
        "bytes": mask.counts.encode(),
        "list": masks.runs_of(mask).tolist(),
    }[form]
    assert imported(segmentation={"size": list(SIZE), "counts": counts}).geometry == mask


def test_area_and_box_of_a_mask_are_those_of_pycocotools() -> None:
    mask = rectangle(3, 4, 5, 6)
    entry = exported(Shape(id="1", class_name="hull", geometry=mask), compressed=True)
    assert entry["area"] == coco_mask.area(entry["segmentation"])
    assert entry["bbox"] == coco_mask.toBbox(entry["segmentation"]).tolist()


@pytest.mark.parametrize("segmentation", [None, []])
def test_an_annotation_without_segmentation_is_a_box(segmentation: Any) -> None:
    shape = imported(segmentation=segmentation, bbox=[285.55, 370.56, 12.07, 19.21])
    assert isinstance(shape.geometry, Box)
    again = exported(shape)
    assert again["bbox"] == [285.55, 370.56, 12.07, 19.21]
    assert again["segmentation"] == []


def test_scalars_under_other_keys_are_kept_and_others_are_named() -> None:
    entry = annotation(
        occluded=True, source="crowd", keypoints=[1, 2, 2], note=None,
        attributes={"colour": "red", "track": {"id": 1}},
    )  # fmt: skip
    shape = coco.shape_from_coco(entry, NAMES, SIZE)
    assert shape.attributes == {"coco:occluded": True, "coco:source": "crowd", "colour": "red"}
    assert coco.unsupported_keys(entry) == ["attributes.track", "keypoints", "note"]
    again = exported(shape)
    assert (again["occluded"], again["source"]) == (True, "crowd")
    assert again["attributes"] == {"colour": "red"}


def test_an_attribute_cannot_overwrite_what_coco_defines() -> None:
    shape = imported().model_copy(update={"attributes": {"coco:image_id": 99}})
    again = exported(shape)
    assert again["image_id"] == 5
    assert coco.shape_from_coco(again, NAMES, SIZE) == shape


def test_results_carry_their_score() -> None:
    entry = {"image_id": 5, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.25}
    shape = coco.predicted_from_coco(entry, "p1", NAMES, SIZE)
    assert shape == Predicted(
        id="p1", class_name="hull", geometry=Box(corners=(1, 2, 4, 6)), score=0.25
    )
    with pytest.raises(ValueError, match="result p1: score"):
        coco.predicted_from_coco({**entry, "score": 3}, "p1", NAMES, SIZE)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": None}, "has no id"),
        ({"category_id": 4}, "annotation 11 is of unknown category 4"),
        ({"segmentation": [], "bbox": None}, "11: it has neither"),
        ({"segmentation": [], "bbox": [1, 2, 3]}, "11: its bbox is not four numbers"),
        ({"segmentation": [], "bbox": [1, 2, 0, 4]}, "11: .*x_max > x_min"),
        ({"segmentation": [[1, 2, 3, 4]]}, "11: .*at least three points"),
        ({"segmentation": {"size": [9, 9], "counts": [81]}}, "11: its mask of"),
        ({"segmentation": {"size": list(SIZE), "counts": [5]}}, "11: mask runs are 5 pixels"),
        ({"segmentation": {"size": list(SIZE), "counts": "zzz"}}, "11: .*counts"),
        ({"segmentation": {"size": list(SIZE)}}, "11: .*neither a list nor text"),
    ],
)
def test_an_annotation_that_cannot_be_held_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        imported(**fields)
    assert "\n" not in str(raised.value)


def test_what_coco_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot hold a point"):
        exported(Shape(id="1", class_name="hull", geometry=Point(at=(1, 1))))
    with pytest.raises(ValueError, match="no category id"):
        exported(Shape(id="1", class_name="whale", geometry=rectangle(0, 0, 2, 2)))


def test_ids_that_are_no_free_numbers_are_given_anew() -> None:
    label = [
        Shape(id=name, class_name=CLASSES[0], geometry=rectangle(0, 0, 2, 2))
        for name in ("7", "x1", "7", "0", "3")
    ]
    assert [a["id"] for a in coco.annotations_to_coco([(IMAGE, label)], IDS)] == [7, 8, 9, 10, 3]


def test_categories_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="occurs twice"):
        coco.class_names([{"id": 1, "name": "hull"}, {"id": 2, "name": "hull"}])


def test_an_annotation_of_an_unknown_image_is_named() -> None:
    document = {"images": [], "annotations": [annotation()], "categories": []}
    with pytest.raises(ValueError, match="annotation 11 is of unknown image 5"):
        list(coco.read(document))


@pytest.fixture(scope="module")
def real_document() -> dict[str, Any]:
    beside = Path(__file__).parents[3].parent / "shared" / "data"
    path = Path(os.environ.get("WAKELINE_TEST_DATA", beside)) / "general_coco" / "annotations.json"
    if not path.exists():
        pytest.skip(f"needs {path}: set WAKELINE_TEST_DATA to the folder with the real images")
    document: dict[str, Any] = json.loads(path.read_text())
    return document


@pytest.mark.data
@pytest.mark.parametrize("compressed", [False, True])
def test_a_real_file_comes_back_the_same(real_document: dict[str, Any], compressed: bool) -> None:
    ids = {name: n for n, name in coco.class_names(real_document["categories"]).items()}
    images = list(coco.read(real_document))
    again = list(coco.annotations_to_coco(images, ids, compressed=compressed))
    assert [image for image, _ in images] == real_document["images"]
    expected = {entry["id"]: entry for entry in real_document["annotations"]}
    assert len(again) == len(expected)
    for entry in again:
        original = expected[entry["id"]]
        assert entry.keys() == original.keys()
        for key in ("image_id", "category_id", "iscrowd"):
            assert entry[key] == original[key]
        if original["iscrowd"]:
            # The file's area and box of a crowd are not those of its mask, so neither is compared.
            assert mask_of(entry) == mask_of(original)
            assert compressed or entry["segmentation"] == original["segmentation"]
        else:
            assert entry["segmentation"] == original["segmentation"]
            assert entry["bbox"] == pytest.approx(original["bbox"], abs=1e-6)
            assert entry["area"] == pytest.approx(original["area"], rel=1e-9)


def mask_of(entry: dict[str, Any]) -> Mask:
    height, width = entry["segmentation"]["size"]
    counts = entry["segmentation"]["counts"]
    if isinstance(counts, str):
        return Mask(size=(height, width), counts=counts)
    return masks.from_runs(counts, (height, width))
