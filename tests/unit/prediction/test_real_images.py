"""How good the rules are on real images: figures that a change of a rule must not worsen."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from wakeline_images import read_stack
from wakeline_prediction.predictors import ndvi, threshold
from wakeline_prediction.predictors.segments import Segments, Stack, shapes_of

pytestmark = pytest.mark.data
BESIDE = Path(__file__).parents[4] / "shared" / "data"
DATA = Path(os.environ.get("WAKELINE_TEST_DATA", BESIDE))


def images(name: str, limit: int) -> Iterator[tuple[Stack, tuple[str, ...], list[Any]]]:
    """Stack, channels and truth (RLEs or boxes) of a data set's images."""
    folder = DATA / name
    if not folder.exists():
        pytest.skip(f"needs {folder}: set WAKELINE_TEST_DATA to the folder with the real images")
    document = json.loads((folder / "annotations.json").read_text())
    for image in document["images"][:limit]:
        bands = {"nir": folder / image["nir_file"]} if "nir_file" in image else {}
        stack, channels = read_stack(folder / "images" / image["file_name"], bands)
        of_image = [a for a in document["annotations"] if a["image_id"] == image["id"]]
        truth = [a["segmentation"] or a["bbox"] for a in of_image]
        yield stack, channels, truth


def best_overlaps(found: Segments, truth: list[Any]) -> list[float]:
    """For each true object, the overlap with the found one that is most like it."""
    if not truth:
        return []
    boxes = isinstance(truth[0], list)
    shapes = shapes_of(found, "thing", "box" if boxes else "mask")
    if not shapes:
        return [0.0] * len(truth)
    given: Any
    if boxes:
        corners = np.array([shape.geometry.corners for shape in shapes])  # type: ignore[union-attr]
        given = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        truth = np.array(truth, dtype=float)  # type: ignore[assignment]
    else:
        given = [shape.geometry.model_dump(include={"size", "counts"}) for shape in shapes]
        truth = [
            each if isinstance(each["counts"], str) else coco_mask.frPyObjects(each, *each["size"])
            for each in truth
        ]
    overlaps = coco_mask.iou(given, truth, [0] * len(truth))
    return [float(value) for value in overlaps.max(axis=0)]


@pytest.mark.parametrize(
    ("name", "rule", "confirmed", "found"),
    [
        ("cropweed_cwfid", "ndvi", 0.42, 0.62),
        ("cells_nuclei_fluorescence", "threshold", 0.42, 0.72),
        ("cells_bccd", "threshold", 0.03, 0.45),
    ],
)
def test_a_rule_is_as_good_on_real_images_as_it_was(
    name: str, rule: str, confirmed: float, found: float
) -> None:
    overlaps: list[float] = []
    for stack, channels, truth in images(name, 24):
        segments = (
            ndvi.segment(stack, channels, ndvi.NdviParameters())
            if rule == "ndvi"
            else threshold.segment(stack, channels, threshold.ThresholdParameters())
        )
        overlaps += best_overlaps(segments, truth)
    assert np.mean(np.array(overlaps) >= 0.85) >= confirmed
    assert np.mean(np.array(overlaps) >= 0.5) >= found
