"""Copies and crops are recognised, strangers are not."""

from __future__ import annotations

import io
import os
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data as pictures
from tests.unit.ingest.transformations import changes, cropped

from wakeline_images import decode, read_image
from wakeline_ingest.domain.fingerprints import WORK_AREA, Fingerprint, candidate_keys, sketch
from wakeline_ingest.domain.fingerprints import fingerprint as fingerprint_of
from wakeline_ingest.domain.near_duplicates import is_copy, resemblance

DATA = Path(os.environ.get("WAKELINE_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


def picture(name: str) -> Any:
    pixels = getattr(pictures, name)()
    return pixels.reshape(*pixels.shape[:2], -1)


def fingerprint(pixels: Any) -> Fingerprint:
    return fingerprint_of(sketch(pixels))


@pytest.fixture(scope="module")
def originals() -> dict[str, Any]:
    return {name: picture(name) for name in ("cat", "coffee", "coins", "rocket", "camera")}


@pytest.fixture(scope="module")
def prints(originals: dict[str, Any]) -> dict[str, Fingerprint]:
    return {name: fingerprint(pixels) for name, pixels in originals.items()}


@pytest.mark.parametrize("change", changes(0))
def test_changed_copies_are_recognised_and_found_by_their_keys(
    change: str, originals: dict[str, Any], prints: dict[str, Fingerprint]
) -> None:
    for seed, (name, pixels) in enumerate(originals.items()):
        copy = fingerprint(changes(seed)[change](pixels))
        assert {other for other, of in prints.items() if is_copy(of, copy)} == {name}
        keys = set(candidate_keys(copy))
        shared = {other: len(keys & set(candidate_keys(of))) for other, of in prints.items()}
        assert max(shared, key=shared.__getitem__) == name
        assert shared[name] > 0


def test_resemblance_tells_how_a_crop_lies_in_its_origin(originals: dict[str, Any]) -> None:
    pixels = originals["coffee"]
    height, width = pixels.shape[:2]
    crop = pixels[: height // 2, : width // 2]
    found = resemblance(fingerprint(pixels), fingerprint(crop))
    assert found is not None
    assert found.overlap > 0.9
    assert found.correlation > 0.95
    shrunk = (WORK_AREA / (height * width)) ** 0.5  # the crop is small enough as it is
    assert found.scale == pytest.approx(1 / shrunk, rel=0.02)


def test_two_crops_that_overlap_share_what_must_not_be_split(originals: dict[str, Any]) -> None:
    pixels = originals["rocket"]
    width = pixels.shape[1]
    left, right = pixels[:, : int(width * 0.7)], pixels[:, int(width * 0.3) :]
    assert is_copy(fingerprint(left), fingerprint(right))


def test_crops_that_do_not_overlap_are_strangers(originals: dict[str, Any]) -> None:
    pixels = originals["coffee"]
    half = pixels.shape[1] // 2
    assert not is_copy(fingerprint(pixels[:, :half]), fingerprint(pixels[:, half:]))


@pytest.mark.parametrize("name", ["coins", "camera"])
def test_sixteen_bits_of_a_picture_are_a_copy_of_its_eight(
    name: str, originals: dict[str, Any], prints: dict[str, Fingerprint]
) -> None:
    deep = originals[name].astype(np.uint16) * 13 + 700  # a narrow part of the range
    assert is_copy(prints[name], fingerprint(deep))


@pytest.mark.parametrize("side", [700, 1300, 2900])
def test_a_jpeg_read_at_a_part_of_its_size_is_a_copy_of_the_picture(
    side: int, originals: dict[str, Any], prints: dict[str, Fingerprint]
) -> None:
    for name, pixels in originals.items():
        picture = Image.fromarray(pixels.squeeze())
        large = picture.resize((side, round(side * picture.height / picture.width)))
        stream = io.BytesIO()
        large.save(stream, "JPEG", quality=80)
        small = decode(stream.getvalue(), enough=WORK_AREA).pixels
        assert small.shape[0] < large.height
        copy = fingerprint(small)
        assert [other for other, of in prints.items() if is_copy(of, copy)] == [name]
        assert len(set(candidate_keys(copy)) & set(candidate_keys(prints[name]))) > 3


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 900, 3), (64, 64, 1), (50, 40, 5)])
def test_empty_pictures_have_fingerprints_and_no_copies(shape: tuple[int, int, int]) -> None:
    blank = fingerprint(np.full(shape, 77, np.uint8))
    assert candidate_keys(blank) == []
    assert not is_copy(blank, blank)
    assert not is_copy(blank, fingerprint(np.full((200, 300, 3), 9, np.uint8)))


def test_fingerprint_survives_its_bytes(prints: dict[str, Fingerprint]) -> None:
    for name, before in prints.items():
        data = before.to_bytes()
        after = Fingerprint.from_bytes(data)
        assert len(data) < 8_000
        assert candidate_keys(after) == candidate_keys(before)
        assert np.abs(after.points - before.points).max() < 0.02
        assert [other for other, of in prints.items() if is_copy(after, of)] == [name]


def test_fingerprint_of_another_version_is_refused(prints: dict[str, Fingerprint]) -> None:
    with pytest.raises(ValueError, match="version 99"):
        Fingerprint.from_bytes(b"\x63" + prints["cat"].to_bytes()[1:])


def test_the_answer_is_always_the_same(originals: dict[str, Any]) -> None:
    crop = cropped(originals["cat"], 0.5, 3)
    first, second = (resemblance(fingerprint(originals["cat"]), fingerprint(crop)) for _ in "ab")
    assert first is not None
    assert first == second


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "least_recall", "most_pairs"),
    [  # pairs that were found are real overlaps of one slide, or slices of one patient
        ("cropweed_cwfid", 1.0, 0),
        ("general_coco", 1.0, 0),
        ("cells_bccd", 0.97, 0),
        ("cells_nuclei_fluorescence", 0.9, 0),
        ("ships_sentinel2", 0.85, 0),
    ],
)
def test_real_images_are_told_apart_and_their_copies_found(
    name: str, least_recall: float, most_pairs: int
) -> None:
    if not (DATA / name).is_dir():
        pytest.skip(f"no real images at {DATA / name}")
    files = sorted((DATA / name / "images").iterdir())
    images = [read_image(file) for file in files[:: len(files) // 3]]
    prints = [fingerprint(pixels) for pixels in images]
    alike = [
        (a, b) for a, b in combinations(range(len(prints)), 2) if is_copy(prints[a], prints[b])
    ]
    assert len(alike) <= most_pairs
    found = [
        is_copy(prints[n], copy) and not set(candidate_keys(copy)).isdisjoint(mine)
        for n, pixels in enumerate(images)
        for mine in [candidate_keys(prints[n])]
        for copy in (fingerprint(change(pixels)) for change in changes(n).values())
    ]
    assert np.mean(found) >= least_recall
