"""Dataset versions as COCO: other tools open them, and what comes back is what went out."""

import contextlib
import hashlib
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from wakeline_events.base import Asset
from wakeline_geometry import coco, masks
from wakeline_geometry.shapes import Annotation, Box, Classification, Mask, Point, Polygon
from wakeline_training.domain import manifest
from wakeline_training.domain.coco import CocoExport
from wakeline_training.domain.manifest import Entry, Labeled, Split
from wakeline_training.domain.models import DatasetVersion

from ..geometry.strategies import CLASSES, SIZE, boxes, geometries


@st.composite
def annotations(draw: st.DrawFn) -> tuple[Annotation, ...]:
    found = []
    for number, geometry in enumerate(draw(st.lists(geometries, max_size=4))):
        attributes: dict[str, Any] = draw(
            st.sampled_from([{}, {"iscrowd": True}, {"wilted": "a bit", "coco:source": 3}])
        )
        found.append(
            Annotation(
                id=f"s{number}",
                class_name=draw(st.sampled_from(CLASSES)),
                geometry=geometry,
                attributes=attributes,
            )
        )
    return tuple(found)


def entry(number: int, shapes: tuple[Annotation, ...], split: Split = "train") -> Entry[Labeled]:
    asset = Asset(
        asset_id=f"d:{number:04}",
        dataset_id="d",
        digest=f"{number:064x}",
        width=SIZE[1],
        height=SIZE[0],
        group=f"g{number}",
        image=f"d/{number:04}.png",
    )
    return Entry(Labeled(asset, shapes, f"l{number}", unassisted=True), split)


def exported(
    rendered: bytes, *, lines_a_time: int = 3, classes: tuple[str, ...] = CLASSES, **options: Any
) -> bytes:
    version = DatasetVersion(
        dataset_version=hashlib.sha256(rendered).hexdigest(),
        stage_id="p/s",
        project_id="p",
        dataset_ids=("d",),
        manifest_key="k",
        splits={},
        classes=classes,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    export = CocoExport(version, **options)
    lines = rendered.splitlines()
    parts = [lines[n : n + lines_a_time] for n in range(0, len(lines), lines_a_time)]
    return b"".join(
        [
            export.head(),
            *map(export.images, parts),
            export.between(),
            *map(export.annotations, parts),
            export.end(),
        ]
    )


@given(st.lists(annotations(), max_size=5), st.booleans())
@settings(max_examples=60, deadline=None)
def test_what_is_imported_again_has_the_same_geometry(
    labels: list[tuple[Annotation, ...]], compressed: bool
) -> None:
    rendered = manifest.render([entry(n, shapes) for n, shapes in enumerate(labels)], "assets")
    document = json.loads(exported(rendered, compressed=compressed))
    found = list(coco.read(document))
    assert [image["asset_id"] for image, _ in found] == [f"d:{n:04}" for n in range(len(labels))]
    lost = 0
    for shapes, (_, again) in zip(labels, found, strict=True):
        kept = [s for s in shapes if isinstance(s.geometry, Box | Polygon | Mask)]
        lost += len(shapes) - len(kept)
        assert len(again) == len(kept)
        for before, after in zip(kept, again, strict=True):
            assert (after.class_name, after.attributes) == (before.class_name, before.attributes)
            if isinstance(before.geometry, Box):
                assert isinstance(after.geometry, Box)
                pairs = zip(before.geometry.corners, after.geometry.corners, strict=True)
                assert all(abs(a - b) < 2e-6 for a, b in pairs)
            elif isinstance(before.geometry, Mask):
                assert isinstance(after.geometry, Mask)
                same = masks.decode(before.geometry) == masks.decode(after.geometry)
                assert same.all()
            else:
                assert after.geometry == before.geometry
    assert sum(document["wakeline"]["left_out"].values()) == lost


@given(st.lists(annotations(), min_size=1, max_size=6), st.integers(1, 7))
@settings(max_examples=30, deadline=None)
def test_the_same_version_gives_the_same_bytes_however_it_is_read(
    labels: list[tuple[Annotation, ...]], lines_a_time: int
) -> None:
    rendered = manifest.render([entry(n, shapes) for n, shapes in enumerate(labels)], "assets")
    assert exported(rendered) == exported(rendered, lines_a_time=lines_a_time)


def test_pycocotools_opens_it_and_measures_the_same() -> None:
    ring = (2.0, 2.0, 12.0, 2.0, 12.0, 12.0, 2.0, 12.0)
    bitmap = masks.rasterise(Box(corners=(3, 4, 13, 9)), SIZE)
    shapes = (
        Annotation(id="a", class_name="hull", geometry=Box(corners=(1.5, 2.5, 10.0, 20.0))),
        Annotation(id="b", class_name="wake", geometry=Polygon(parts=(ring,))),
        Annotation(id="c", class_name="buoy", geometry=bitmap, attributes={"iscrowd": True}),
        Annotation(id="d", class_name="buoy", geometry=Point(at=(1, 1))),
        Annotation(id="e", class_name="buoy", geometry=Classification()),
    )
    rendered = manifest.render([entry(0, shapes), entry(1, ())], "assets")
    for compressed in (False, True):
        with TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            path = Path(folder) / "export.json"
            path.write_bytes(exported(rendered, compressed=compressed))
            opened = COCO(str(path))
        assert [one["name"] for one in opened.loadCats(opened.getCatIds())] == list(CLASSES)
        found = opened.loadAnns(opened.getAnnIds())
        assert [one["id"] for one in found] == [1, 2, 3]
        assert [one["area"] for one in found] == [148.75, 100.0, 50.0]
        assert [one["bbox"] for one in found[:2]] == [[1.5, 2.5, 8.5, 17.5], [2, 2, 10, 10]]
        assert [int(opened.annToMask(one).sum()) for one in found[1:]] == [100, 50]
        assert json.loads(exported(rendered))["wakeline"] == {
            "images": 2,
            "annotations": 3,
            "left_out": {"classification": 1, "point": 1},
        }


@given(boxes())
@settings(max_examples=5)
def test_one_side_alone_keeps_the_ids_of_its_images(box: Box) -> None:
    shape = (Annotation(id="a", class_name="hull", geometry=box),)
    rendered = manifest.render(
        [entry(0, shape), entry(1, shape, "holdout"), entry(2, shape)], "assets"
    )
    document = json.loads(exported(rendered, split="holdout"))
    assert [(one["id"], one["file_name"]) for one in document["images"]] == [(2, "d/0001.png")]
    assert [(one["id"], one["image_id"]) for one in document["annotations"]] == [(1, 2)]


def test_an_image_says_where_people_looked_if_that_is_not_all_of_it() -> None:
    whole = entry(0, ())
    about = entry(1, ())
    about = replace(about, labeled=replace(about.labeled, focus_regions=((1.0, 2.0, 9.0, 8.0),)))
    document = json.loads(exported(manifest.render([whole, about], "assets")))
    assert [one.get("focus_regions") for one in document["images"]] == [None, [[1, 2, 9, 8]]]


def test_a_version_without_kept_classes_names_those_it_has() -> None:
    shape = (Annotation(id="a", class_name="wake", geometry=Box(corners=(1, 1, 5, 5))),)
    rendered = manifest.render([entry(0, shape)], "assets")
    document = json.loads(exported(rendered, classes=()))
    assert document["categories"] == [{"id": 1, "name": "wake", "supercategory": "wake"}]
