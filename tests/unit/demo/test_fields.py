"""Synthetic fields: the same for a seed, with truth that is exact, and plants that NDVI can see."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wakeline_demo import fields, folders
from wakeline_geometry import masks


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        fields.write(tmp_path / name, 2, seed=7)
    for path in sorted((tmp_path / "one").rglob("*")):
        if path.is_file():
            twin = tmp_path / "other" / path.relative_to(tmp_path / "one")
            assert path.read_bytes() == twin.read_bytes(), path.name


def test_another_seed_and_another_number_give_another_scene() -> None:
    scenes = [fields.scene(np.random.default_rng(seed))[0] for seed in ([7, 1], [7, 2], [8, 1])]
    assert not np.array_equal(scenes[0], scenes[1])
    assert not np.array_equal(scenes[0], scenes[2])


def test_a_folder_holds_what_was_drawn(tmp_path: Path) -> None:
    fields.write(tmp_path, 3, seed=7)
    folder = folders.read(tmp_path)
    assert folder.classes == ("crop", "weed")
    assert folder.kind == "mask"
    assert folder.plants
    assert folder.has_nir
    for number, image in enumerate(folder.images, start=1):
        rgb, nir, plants = fields.scene(np.random.default_rng([7, number]))
        assert np.array_equal(np.asarray(Image.open(image.path)), rgb)
        assert image.nir is not None
        assert np.array_equal(np.asarray(Image.open(image.nir)), nir)
        assert len(image.shapes) == len(plants)
        for shape, (category, mask) in zip(image.shapes, plants, strict=True):
            assert shape.class_name == ("crop", "weed")[category - 1]
            assert shape.geometry.kind == "mask"
            assert np.array_equal(masks.decode(shape.geometry), mask)


@pytest.mark.parametrize("seed", [1, 7, 30])
def test_ndvi_separates_plants_from_soil(seed: int) -> None:
    rgb, nir, plants = fields.scene(np.random.default_rng(seed))
    red, near = rgb[..., 0].astype(float), nir.astype(float)
    ndvi = (near - red) / np.maximum(near + red, 1)
    plant = np.logical_or.reduce([mask for _, mask in plants])
    assert np.percentile(ndvi[plant], 2) > np.percentile(ndvi[~plant], 98)


def test_every_scene_has_both_kinds_of_plants_and_none_overlap() -> None:
    for seed in range(8):
        _, _, plants = fields.scene(np.random.default_rng(seed))
        assert {category for category, _ in plants} == {1, 2}
        assert np.sum([mask for _, mask in plants], axis=0).max() == 1
        assert min(mask.sum() for _, mask in plants) >= 60


def test_a_folder_that_was_cut_off_has_no_annotations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="no space"):
        fields.write(tmp_path, 1, seed=7)
    assert not (tmp_path / "annotations.json").exists()


def test_the_document_says_that_it_is_synthetic(tmp_path: Path) -> None:
    fields.write(tmp_path, 1, seed=7)
    document = json.loads((tmp_path / "annotations.json").read_text())
    assert "synthetic" in document["info"]["description"]
