"""What is wrong with a run's input is said in a sentence, before anything is trained."""

import json

import numpy as np
import pytest

from wakeline_geometry.shapes import Annotation, Box, Mask, Point, Polygon
from wakeline_trainer.contract import Asset, BadInputError, read_manifest
from wakeline_trainer.data import common_channels, drawn_objects, paint
from wakeline_trainer.storage import Storage, below

ASSET = {"asset_id": "a", "image": "file:///a.png", "width": 8, "height": 6, "split": "train"}


def lines(*assets: dict[str, object]) -> bytes:
    return "\n".join(json.dumps(asset) for asset in assets).encode()


def annotation(geometry: Box | Mask | Point | Polygon, class_name: str = "ship") -> Annotation:
    return Annotation(id="1", class_name=class_name, geometry=geometry)


def test_a_manifest_gives_its_assets_in_order() -> None:
    manifest = lines(ASSET, ASSET | {"asset_id": "b", "split": "holdout"})

    assert [(a.asset_id, a.split) for a in read_manifest(manifest)] == [
        ("a", "train"),
        ("b", "holdout"),
    ]


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (b"not json", "Line 1"),
        (lines(ASSET, ASSET | {"asset_id": "b", "width": 0}), "Line 2 .*width"),
        (lines(ASSET, ASSET), "twice"),
        (lines(ASSET | {"split": "holdout"}), "no asset to train on"),
        (b"", "no asset to train on"),
    ],
)
def test_a_bad_manifest_is_refused_with_its_reason(manifest: bytes, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        read_manifest(manifest)


def test_an_unknown_class_is_named() -> None:
    asset = Asset.model_validate(ASSET).model_copy(
        update={"annotations": (annotation(Box(corners=(0, 0, 2, 2)), "boat"),)}
    )

    with pytest.raises(BadInputError, match="'boat', which is not one of ship"):
        drawn_objects(asset, ["ship"])


def test_crowds_and_points_are_not_learned_from() -> None:
    box = annotation(Box(corners=(0, 0, 2, 2)))
    crowd = box.model_copy(update={"attributes": {"iscrowd": True}})
    point = annotation(Point(at=(1, 1)))
    asset = Asset.model_validate(ASSET).model_copy(update={"annotations": (box, crowd, point)})

    assert drawn_objects(asset, ["ship"]) == [box]


def test_small_objects_are_painted_over_large_ones_whatever_their_kind() -> None:
    small = annotation(Box(corners=(2, 2, 4, 4)))
    large = annotation(Polygon(parts=((0, 0, 8, 0, 8, 6, 0, 6),)))

    ids = paint([small, large], (6, 8))

    expected = np.full((6, 8), 2)
    expected[2:4, 2:4] = 1
    assert (ids == expected).all()


def test_a_band_is_used_only_if_every_image_has_it() -> None:
    colours = ("red", "green", "blue")

    assert common_channels([("grey",), ("grey",)]) == ("grey",)
    assert common_channels([("grey",), colours]) == colours
    assert common_channels([(*colours, "nir"), (*colours, "nir", "swir")]) == (*colours, "nir")
    assert common_channels([(*colours, "nir"), colours]) == colours


def test_a_scheme_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(BadInputError, match="must begin with file://"):
        Storage(None).read("s3://bucket/key")
    with pytest.raises(BadInputError, match="https://somewhere"):
        Storage(None).read("https://somewhere")


def test_a_name_below_a_prefix_has_one_slash() -> None:
    assert below("s3://b/p/", "x") == below("s3://b/p", "x") == "s3://b/p/x"
