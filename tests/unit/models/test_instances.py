"""Maps of perfect networks become the shapes they were made from."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from wakeline_geometry.masks import decode as bitmap_of
from wakeline_geometry.shapes import Mask, Predicted
from wakeline_models.card import InstanceDecoding, ModelCard
from wakeline_models.inference import decode

Labels = NDArray[np.int32]


def card(scale: float = 1.0, **decoding: float) -> ModelCard:
    return ModelCard(
        kind="instances",
        classes=("crop", "weed"),
        channels=("grey",),
        mean=(0.0,),
        std=(1.0,),
        scale=scale,
        tile=64,
        overlap=16,
        stride=1,
        object_size=10.0,
        decode=InstanceDecoding.model_validate(decoding),
    )


def perfect_maps(objects: Labels, classes: list[int], object_size: float) -> NDArray[np.float32]:
    """What a network that knows the numbered objects would answer."""
    maps = np.zeros((5, *objects.shape), np.float32)
    maps[0] = objects == 0
    rows, columns = np.indices(objects.shape)
    for number, label in enumerate(classes, start=1):
        mine = objects == number
        maps[label + 1][mine] = 1.0
        maps[3][mine] = (columns[mine].mean() - columns[mine]) / object_size
        maps[4][mine] = (rows[mine].mean() - rows[mine]) / object_size
    return maps


def disc(objects: Labels, number: int, row: float, column: float, radius: float) -> None:
    rows, columns = np.indices(objects.shape)
    objects[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = number


def touching_discs(objects: Labels) -> list[int]:
    disc(objects, 1, 20, 15, 8)
    disc(objects, 2, 20, 31, 8)
    return [0, 1]


def scattered_leaves(objects: Labels) -> list[int]:
    for row, column in ((10, 10), (10, 26), (26, 10), (26, 26)):
        disc(objects, 1, row, column, 5)
    disc(objects, 2, 18, 48, 6)
    return [1, 0]


def nothing(objects: Labels) -> list[int]:
    return []


def bitmaps(shapes: list[Predicted]) -> list[NDArray[np.bool_]]:
    assert all(isinstance(shape.geometry, Mask) for shape in shapes)
    return [bitmap_of(shape.geometry) for shape in shapes if isinstance(shape.geometry, Mask)]


@pytest.mark.parametrize("draw", [touching_discs, scattered_leaves, nothing])
def test_perfect_maps_become_exactly_their_objects(draw: Callable[[Labels], list[int]]) -> None:
    objects = np.zeros((40, 60), np.int32)
    classes = draw(objects)
    settings = card()

    shapes = decode(perfect_maps(objects, classes, settings.object_size), settings, (40, 60))

    drawn = {
        (settings.classes[label], (objects == number).tobytes())
        for number, label in enumerate(classes, start=1)
    }
    assert {(s.class_name, b.tobytes()) for s, b in zip(shapes, bitmaps(shapes), strict=True)} == (
        drawn
    )
    assert all(shape.score == 1.0 for shape in shapes)


def test_masks_of_half_scale_come_back_in_image_pixels() -> None:
    large = np.zeros((80, 120), np.int32)
    disc(large, 1, 39.5, 59.5, 24)
    small = large[::2, ::2]
    settings = card(scale=0.5)

    (shape,) = decode(perfect_maps(small, [0], settings.object_size), settings, (80, 120))

    (bitmap,) = bitmaps([shape])
    overlap = (bitmap & (large == 1)).sum() / (bitmap | (large == 1)).sum()
    assert bitmap.shape == (80, 120)
    assert overlap > 0.93


def test_specks_and_doubtful_objects_are_not_shown() -> None:
    objects = np.zeros((40, 60), np.int32)
    disc(objects, 1, 20, 15, 8)
    disc(objects, 2, 20, 45, 1)
    maps = perfect_maps(objects, [0, 0], 10.0)
    maps[:3] *= np.array([1.0, 0.55, 1.0], np.float32)[:, None, None]

    assert len(decode(maps, card(min_cells=1, min_score=0.5), (40, 60))) == 2
    assert len(decode(maps, card(min_cells=8, min_score=0.5), (40, 60))) == 1
    assert decode(maps, card(min_cells=1, min_score=0.6), (40, 60)) == []


def test_noisy_vectors_do_not_split_a_large_object() -> None:
    objects = np.zeros((60, 60), np.int32)
    disc(objects, 1, 30, 30, 24)
    maps = perfect_maps(objects, [0], 10.0)
    noise = np.random.default_rng(0).normal(0, 0.2, maps[3:].shape)
    maps[3:] += noise.astype(np.float32) * (objects > 0)

    shapes = decode(maps, card(vote_blur=2.0), (60, 60))

    assert len(shapes) == 1


def test_stray_votes_between_two_objects_do_not_bridge_them() -> None:
    objects = np.zeros((40, 80), np.int32)
    disc(objects, 1, 20, 22, 18)
    disc(objects, 2, 20, 58, 18)
    maps = perfect_maps(objects, [0, 1], 10.0)
    seam = (slice(18, 23), slice(24, 57))
    maps[0, *seam], maps[1, *seam] = 0.0, 1.0
    maps[3:, *seam] = 0.0  # these vote for themselves, all along the way

    shapes = decode(maps, card(vote_blur=2.0), (40, 80))

    large = [bitmap for bitmap in bitmaps(shapes) if bitmap.sum() > 500]
    assert len(large) == 2
    assert all((large[i] & (objects == i + 1)).sum() > 700 for i in range(2))
