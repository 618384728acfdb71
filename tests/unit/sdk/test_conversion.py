"""The SDK's own COCO converters against those of the platform, which are the oracle."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from wakeline_geometry import coco as oracle
from wakeline_geometry import masks
from wakeline_sdk import coco, runs

SIZE = (9, 11)
NAMES = {3: "hull", 7: "wake"}
IDS = {name: number for number, name in NAMES.items()}

numbers = st.floats(-5, 20, allow_nan=False).map(lambda value: round(value, 3))
rings = st.lists(numbers, min_size=4, max_size=12)  # too short and odd ones too
run_lists = hnp.arrays(np.bool_, SIZE).map(lambda b: masks.runs_of(masks.encode(b)).tolist())
texts = hnp.arrays(np.bool_, SIZE).map(lambda b: masks.encode(b).counts)
rles = st.fixed_dictionaries(
    {
        "size": st.sampled_from([list(SIZE), list(SIZE), list(SIZE), [1, 2]]),
        "counts": st.one_of(run_lists, texts, texts.map(lambda t: t[:-1]), st.just([1, 0, 98])),
    }
)
scalars = st.one_of(st.text(max_size=4), st.booleans(), st.integers(-9, 9), numbers)
nested = st.one_of(scalars, st.none(), st.just([1]), st.just({"a": 1}))
entries = st.fixed_dictionaries(
    {
        "id": st.one_of(st.integers(1, 99), st.none()),
        "image_id": st.just(1),
        "category_id": st.sampled_from([3, 7, 7, 8]),
    },
    optional={
        "segmentation": st.one_of(st.just([]), st.none(), st.lists(rings, max_size=2), rles),
        "bbox": st.lists(numbers, min_size=3, max_size=4),
        "iscrowd": st.integers(0, 1),
        "score": st.floats(-0.5, 1.5),
        "occluded": nested,
        "attributes": st.one_of(st.none(), st.dictionaries(st.text(max_size=3), nested)),
    },
)


def outcome(read: Callable[[], Any]) -> Any:
    """What a converter makes, or that it refuses."""
    try:
        return read().model_dump()
    except ValueError:
        return "refused"


@given(entries)
def test_an_annotation_is_read_as_the_platform_reads_it(entry: dict[str, Any]) -> None:
    ours = outcome(lambda: coco.shape_from_coco(entry, NAMES, SIZE))
    assert ours == outcome(lambda: oracle.shape_from_coco(entry, NAMES, SIZE))
    assert coco.unsupported_keys(entry) == oracle.unsupported_keys(entry)


@given(entries)
def test_a_result_is_read_as_the_platform_reads_it(entry: dict[str, Any]) -> None:
    ours = outcome(lambda: coco.predicted_from_coco(entry, "r1", NAMES, SIZE))
    assert ours == outcome(lambda: oracle.predicted_from_coco(entry, "r1", NAMES, SIZE))


@given(entries, st.booleans())
def test_a_shape_is_written_as_the_platform_writes_it(
    entry: dict[str, Any], compressed: bool
) -> None:
    written: list[Any] = []
    for module in (coco, oracle):
        try:
            shape = module.shape_from_coco(entry, NAMES, SIZE)
        except ValueError:
            return
        one: dict[str, Any] = module.annotation_to_coco(
            shape,
            annotation_id=5,
            image_id=1,
            category_ids=IDS,
            size=SIZE,
            compressed=compressed,
        )
        written.append(json.loads(json.dumps(one)))
    ours, theirs = written
    assert ours.pop("area") == pytest.approx(theirs.pop("area"), abs=1e-9)
    assert ours == theirs


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_run_lengths_are_those_of_pycocotools(bitmap: Any) -> None:
    encoded = coco_mask.encode(np.asfortranarray(bitmap, dtype=np.uint8))
    text, size = encoded["counts"].decode(), bitmap.shape
    lengths = runs.parse(text, size)
    assert lengths == masks.runs_of(masks.encode(bitmap)).tolist()
    assert runs.text_of(lengths) == text
    assert runs.area(lengths) == coco_mask.area(encoded)
    extent = runs.extent(lengths, size[0]) or (0, 0, 0, 0)
    x, y, width, height = coco_mask.toBbox(encoded).tolist()
    assert extent == (x, y, x + width, y + height)


@pytest.mark.parametrize("lengths", [[], [-1, 5], [3, 3], [4.0], [True, 3], [2, 3]], ids=str)
def test_runs_that_do_not_fill_their_image_are_refused(lengths: list[Any]) -> None:
    with pytest.raises(ValueError, match="mask"):
        runs.canonical(lengths, (2, 2))


@pytest.mark.parametrize(
    ("given_runs", "wanted"),
    [([0, 4], [0, 4]), ([0, 0, 4], [4]), ([1, 0, 3], [4]), ([1, 2, 0, 0, 1], [1, 2, 1])],
    ids=str,
)
def test_empty_runs_are_joined(given_runs: list[int], wanted: list[int]) -> None:
    assert runs.canonical(given_runs, (2, 2)) == wanted


def test_categories_that_share_a_name_are_refused() -> None:
    with pytest.raises(ValueError, match="occurs twice"):
        coco.class_names([{"id": 1, "name": "hull"}, {"id": 2, "name": "hull"}])
