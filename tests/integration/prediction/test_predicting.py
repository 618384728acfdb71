"""From an opened task to its prediction, on real Kafka, MongoDB and S3."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from wakeline_blobs import Blobs, load_shapes
from wakeline_events.ingest import AssetRestored, AssetWithdrawn
from wakeline_events.prediction import PredictionCompleted, PredictionFailed
from wakeline_geometry.shapes import Box, Mask, Predicted
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, RunningService

from .kit import (
    OWN,
    STAGE,
    THRESHOLD,
    answers,
    closed,
    completed,
    configured,
    ingest,
    opened,
    picture,
    png,
    requested,
)

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]
NDVI = {"name": "heuristic.ndvi"}


async def test_an_opened_task_gets_masks_of_the_first_heuristic(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    shown = await ingest(stocked, "a")
    await others.publish(configured(THRESHOLD), opened(shown))
    await prediction.settled()
    (said,) = await completed(stocked)
    assert (said.stage_id, said.task_id, said.predictor) == (STAGE, "task-a", "heuristic.threshold")
    assert said.serving_epoch == 0
    assert said.shapes.items is not None
    assert said.shapes.count == 3
    assert all(isinstance(shape.geometry, Mask) for shape in said.shapes.items)
    assert {shape.class_name for shape in said.shapes.items} == {"spot"}
    assert 0 <= said.uncertainty <= 1


async def test_a_predictor_that_cannot_answer_gives_way_to_the_next(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    shown = await ingest(stocked, "grey")
    await others.publish(configured(OWN, NDVI, THRESHOLD), opened(shown))
    await prediction.settled()
    (said,) = await completed(stocked)
    assert said.predictor == "heuristic.threshold"


async def test_a_task_that_nobody_can_answer_for_fails_with_all_the_reasons(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    shown = await ingest(stocked, "grey")
    await others.publish(configured(NDVI), opened(shown))
    await prediction.settled()
    (said,) = await answers(stocked)
    assert isinstance(said, PredictionFailed)
    assert said.code == "no-predictor"
    assert "heuristic.ndvi" in said.reason
    assert "nir" in said.reason


async def test_a_broken_image_fails_its_own_task_only(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    good = [await ingest(stocked, f"good{n}") for n in range(5)]
    cut = await ingest(stocked, "cut", png(picture())[:-40])
    await others.publish(*(opened(each) for each in (*good[:3], cut, *good[3:])))
    await others.publish(configured(THRESHOLD))
    await prediction.settled()
    said = {each.asset_id: each for each in await answers(stocked)}
    assert len(said) == 6
    failed = said.pop(cut.asset_id)
    assert isinstance(failed, PredictionFailed)
    assert failed.code in ("truncated-image", "damaged-image")
    assert all(isinstance(each, PredictionCompleted) for each in said.values())


async def test_a_lost_image_and_a_misspelt_parameter_say_what_is_wrong(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    shown = await ingest(stocked, "a")
    async with Blobs(stocked.blobs("ingest")) as store:
        await store.delete("assets", shown.image)
    await others.publish(configured(THRESHOLD), opened(shown))
    await prediction.settled()
    misspelt = {"name": "heuristic.threshold", "parameters": {"polarety": "dark"}}
    await others.publish(configured(misspelt, version=2))
    await prediction.settled()
    said = await answers(stocked)
    assert [each.code for each in said if isinstance(each, PredictionFailed)] == [
        "image-missing",
        "invalid-parameters",
    ]


async def test_a_failed_prediction_is_tried_again_when_it_is_requested(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    data = png(picture())
    shown = await ingest(stocked, "a", data)
    async with Blobs(stocked.blobs("ingest")) as store:
        await store.put("assets", shown.image, data[:-40])
        await others.publish(configured(THRESHOLD), opened(shown))
        await prediction.settled()
        await store.put("assets", shown.image, data)
    await others.publish(requested(opened(shown)))
    await prediction.settled()
    await others.publish(requested(opened(shown)))
    await prediction.settled()
    assert [each.TYPE for each in await answers(stocked)] == [
        "prediction.failed",
        "prediction.completed",
    ]


async def test_nobody_looks_at_an_image_that_is_gone_until_it_is_back(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    shown, other = await ingest(stocked, "a"), await ingest(stocked, "b")
    await others.publish(AssetWithdrawn(asset_id=shown.asset_id))
    await prediction.settled()
    await others.publish(configured(THRESHOLD), opened(shown), opened(other))
    await prediction.settled()
    said = {each.asset_id: each for each in await answers(stocked)}
    failed = said[shown.asset_id]
    assert isinstance(failed, PredictionFailed)
    assert failed.code == "image-withdrawn"  # though its bytes are there: nobody looked
    assert isinstance(said[other.asset_id], PredictionCompleted)
    await others.publish(AssetRestored(asset_id=shown.asset_id))
    await prediction.settled()
    done = [each.asset_id for each in await completed(stocked)]
    assert sorted(done) == sorted([shown.asset_id, other.asset_id])


async def test_another_ontology_is_predicted_for_anew(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    shown = await ingest(stocked, "a")
    await others.publish(configured(THRESHOLD), opened(shown))
    await prediction.settled()
    await others.publish(configured(THRESHOLD, version=2, kinds=("box",)))
    await prediction.settled()
    await others.publish(configured(THRESHOLD, version=3, kinds=("box",)))
    await prediction.settled()
    first, second = await completed(stocked)
    assert first.prediction_id != second.prediction_id
    assert second.shapes.items is not None
    assert all(isinstance(shape.geometry, Box) for shape in second.shapes.items)


async def test_a_closed_task_is_not_predicted_until_it_opens_again(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    task = opened(await ingest(stocked, "a"))
    await others.publish(task, closed(task))
    await prediction.settled()
    await others.publish(configured(THRESHOLD))
    await prediction.settled()
    assert await answers(stocked) == []
    await others.publish(task)
    await prediction.settled()
    await others.publish(closed(task), task)
    await prediction.settled()
    assert len(await completed(stocked)) == 2


async def test_focus_regions_limit_what_is_proposed(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    task = opened(await ingest(stocked, "a"))
    task = task.model_copy(update={"focus_regions": ((0.0, 0.0, 30.0, 96.0),)})
    await others.publish(configured(THRESHOLD), task)
    await prediction.settled()
    (said,) = await completed(stocked)
    assert said.shapes.count == 1


async def test_large_geometry_travels_as_a_blob_that_is_there(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    canvas = np.full((1200, 1600), 20, np.uint8)
    for y in range(15, 1190, 24):
        for x in range(15, 1590, 24):
            cv2.circle(canvas, (x, y), 8, 220, -1)
    data = png(canvas)
    shown = await ingest(stocked, "crowd", data)
    shown = shown.model_copy(update={"width": 1600, "height": 1200})
    await others.publish(configured(THRESHOLD), opened(shown))
    await prediction.settled()
    (said,) = await completed(stocked)
    assert said.shapes.items is None
    assert said.shapes.blob is not None
    assert said.shapes.blob.bucket == "predictions"
    async with Blobs(stocked.blobs("labeling")) as reader:
        shapes = await load_shapes(reader, said.shapes, Predicted)
    assert len(shapes) == said.shapes.count > 900
