"""Maps of perfect networks become the boxes they were made from; doubles are dropped."""

import numpy as np
import pytest

from wakeline_geometry.shapes import Box
from wakeline_models.boxes import suppress
from wakeline_models.card import BoxDecoding, ModelCard
from wakeline_models.inference import decode
from wakeline_trainer.targets import box_targets

SIZE = (96, 128)


def card(scale: float) -> ModelCard:
    return ModelCard(
        kind="boxes",
        classes=("cell", "platelet"),
        channels=("grey",),
        mean=(0.0,),
        std=(1.0,),
        scale=scale,
        tile=64,
        overlap=16,
        stride=2,
        object_size=12.0,
        decode=BoxDecoding(),
    )


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_perfect_maps_become_their_boxes(scale: float) -> None:
    truth = np.array([[10, 8, 40, 44], [60, 20, 90, 50], [100, 70, 110, 82]], np.float32)
    labels = np.array([0, 1, 0])
    settings = card(scale)
    cells = (int(SIZE[0] * scale) // 2, int(SIZE[1] * scale) // 2)
    centres, distances, weights = box_targets(
        truth * scale, labels, 2, cells, settings.stride, settings.object_size
    )
    far = np.where(weights > 0, distances, 1.0)

    shapes = decode(np.concatenate([centres, far]).astype(np.float32), settings, SIZE)

    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in settings.classes}
    for shape in shapes:
        assert isinstance(shape.geometry, Box)
        found[shape.class_name].append(shape.geometry.corners)
    for box, label in zip(truth, labels, strict=True):
        nearest = min(np.abs(np.subtract(c, box)).max() for c in found[settings.classes[label]])
        assert nearest < 1.5 / scale
    assert len(shapes) == len(truth)


def test_of_two_boxes_of_one_object_the_better_stays() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [30, 30, 40, 40], [5, 5, 5, 9]], float)

    assert suppress(boxes, max_overlap=0.5) == [0, 2]
