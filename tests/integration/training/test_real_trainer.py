"""The service with Wakeline's own trainer, on pictures: labels in, an ONNX model out."""

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from wakeline_blobs import Blobs
from wakeline_events.labeling import Arm
from wakeline_geometry.shapes import Annotation, Box
from wakeline_models.card import ModelCard
from wakeline_models.inference import Model
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, running

from . import scenario
from .scenario import accepted, asset, configured, failed, trained, training

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]
TRAINER = (sys.executable, "-m", "wakeline_trainer")
SIZE, IMAGES, HELD = 96, 24, 12
STEPS = 40  # not as many as a machine can do in a time: a busy one would learn nothing


def picture(number: int) -> tuple[bytes, tuple[Annotation, ...]]:
    """Bright plants on dark soil, where they are on a jittered grid."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(20, 60, (SIZE, SIZE, 3), dtype=np.uint8)
    annotations = []
    for i in range(4):
        left, top = (int(v) for v in np.array([i % 2, i // 2]) * 46 + rng.integers(4, 18, 2))
        side = int(rng.integers(14, 22))
        pixels[top : top + side, left : left + side] = (60, 200, 70)
        box = Box(corners=(left, top, left + side, top + side))
        annotations.append(Annotation(id=f"w{i}", class_name="weed", geometry=box))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue(), tuple(annotations)


async def test_labels_become_a_model_that_prediction_can_load_and_that_finds_things(
    scope: Scope,
) -> None:
    publisher = Publisher(scope)
    async with running(training(scope, command=TRAINER), scope) as service:
        await publisher.publish(configured(holdout_share=0.999, max_seconds=200, steps=STEPS))
        async with Blobs(scope.blobs("ingest")) as blobs:
            for number in range(IMAGES):
                data, truth = picture(number)
                image = asset(number).model_copy(update={"width": SIZE, "height": SIZE})
                await blobs.put("assets", image.image, data)
                arm: Arm = "holdout" if number < HELD else "assisted"
                await publisher.publish(accepted(number, arm=arm, of=image, annotations=truth))
        await publisher.publish(*(failed(number) for number in range(HELD)))
        await service.settled()
        run = await trained(service, limit=240)
        assert run["state"] == "completed", run["failure"]
        assert (run["gate"]["verdict"], run["gate"]["holdout_assets"]) == ("passed", HELD)
        assert run["progress"]["step"] > 0
        # The gate measures for itself, and comes to what the trainer says.
        (model,) = (await scenario.get(service, "/v1/models"))["items"]
        assert model["metrics"]["ap"] == pytest.approx(run["metrics"]["holdout"]["ap"], abs=1e-6)
        assert model["metrics"]["ap50"] > 0.3
        card = await scenario.as_prediction(scope, f"{model['artefact_key']}card.json")
        onnx = await scenario.as_prediction(scope, f"{model['artefact_key']}model.onnx")
    assert json.loads(card)["trained_on"] == run["dataset_version"]
    loaded = Model.load(onnx, ModelCard.model_validate_json(card))
    data, truth = picture(0)
    stack = np.asarray(Image.open(io.BytesIO(data)), dtype=np.float32) / np.float32(255)
    found = loaded.predict(stack, ("red", "green", "blue"))
    assert 1 <= len(found) <= 12
