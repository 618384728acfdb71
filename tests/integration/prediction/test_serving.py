"""What serves a stage decides what its tasks are shown, epoch by epoch."""

from __future__ import annotations

import asyncio

import pytest

from wakeline_events.prediction import PredictionCompleted, PredictionFailed
from wakeline_geometry.masks import area
from wakeline_geometry.shapes import Mask
from wakeline_prediction.predictors.models import TRUSTED_SECONDS
from wakeline_prediction.wiring import service
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, RunningService, running

from .kit import (
    OWN,
    THRESHOLD,
    answers,
    bright_model,
    card_of,
    closed,
    completed,
    configured,
    ingest,
    opened,
    publication,
    register,
    requested,
    retirement,
    settings,
)

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


def areas(said: PredictionCompleted) -> list[int]:
    assert said.shapes.items is not None
    geometries = [shape.geometry for shape in said.shapes.items]
    return sorted(area(geometry) for geometry in geometries if isinstance(geometry, Mask))


async def test_a_published_model_answers_anew_for_open_and_all_holdout_tasks(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    names = ("open", "closed", "holdout")
    tasks = {name: opened(await ingest(stocked, name), holdout=name == "holdout") for name in names}
    await others.publish(configured(OWN, THRESHOLD), *tasks.values())
    await prediction.settled()
    assert {each.predictor for each in await completed(stocked)} == {"heuristic.threshold"}
    await register(stocked, "v1", bright_model())
    await others.publish(closed(tasks["closed"]), closed(tasks["holdout"]))
    await prediction.settled()
    await others.publish(publication("v1", 1))
    await prediction.settled()
    said = [each for each in await completed(stocked) if each.serving_epoch == 1]
    assert {(each.task_id, each.predictor, each.predictor_version) for each in said} == {
        ("task-open", "own", "v1"),
        ("task-holdout", "own", "v1"),
    }
    assert [each.holdout for each in said if each.task_id == "task-holdout"] == [True]
    assert all(each.shapes.count == 3 for each in said)


async def test_a_retired_model_gives_the_stage_back_to_its_heuristic_under_a_higher_epoch(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    await register(stocked, "v1", bright_model())
    shown = await ingest(stocked, "a")
    await others.publish(publication("v1", 1), configured(OWN, THRESHOLD), opened(shown))
    await prediction.settled()
    await others.publish(retirement("v1", 2))
    await prediction.settled()
    said = await completed(stocked)
    assert [(each.predictor, each.serving_epoch) for each in said] == [
        ("own", 1),
        ("heuristic.threshold", 2),
    ]
    assert (await prediction.database["servings"].find_one({}))["epoch"] == 2


async def test_an_epoch_never_falls(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    await register(stocked, "v2", bright_model())
    shown = await ingest(stocked, "a")
    await others.publish(publication("v2", 2), publication("v1", 1), retirement("v2", 2))
    await others.publish(configured(OWN, THRESHOLD), opened(shown))
    await prediction.settled()
    (said,) = await completed(stocked)
    assert (said.predictor_version, said.serving_epoch) == ("v2", 2)


async def test_weights_that_were_changed_with_their_card_change_the_prelabels(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    first, second = await ingest(stocked, "a"), await ingest(stocked, "b")
    await register(stocked, "v1", bright_model())
    await others.publish(publication("v1", 1), configured(OWN), opened(first))
    await prediction.settled()
    await register(stocked, "v1", bright_model(dark=True))
    await _until_looked_at_again()
    await others.publish(opened(second))
    await prediction.settled()
    said = {each.asset_id: each for each in await completed(stocked)}
    before, after = said[first.asset_id], said[second.asset_id]
    assert len(areas(before)) == 3
    assert areas(before) != areas(after)
    assert max(areas(after)) > 10_000  # the ground is what is dark


async def test_weights_that_are_not_those_of_their_card_are_refused_loudly(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    first, second = await ingest(stocked, "a"), await ingest(stocked, "b")
    await register(stocked, "v1", bright_model())
    await others.publish(publication("v1", 1), configured(OWN, THRESHOLD), opened(first))
    await prediction.settled()
    await register(stocked, "v1", bright_model(bias=0.2), card_of(bright_model()))
    await _until_looked_at_again()
    await others.publish(opened(second))
    await prediction.settled()
    said = {each.asset_id: each for each in await answers(stocked)}
    refused = said[second.asset_id]
    assert isinstance(said[first.asset_id], PredictionCompleted)
    assert isinstance(refused, PredictionFailed)
    assert (refused.predictor, refused.code) == ("own", "digest-differs")


@pytest.mark.parametrize(("version", "code"), [("nowhere", "model-missing"), ("v1", "card")])
async def test_a_model_that_cannot_be_had_fails_and_no_rule_stands_in(
    stocked: Scope, prediction: RunningService, others: Publisher, version: str, code: str
) -> None:
    await register(stocked, "v1", bright_model(), b'{"format": "something-else"}')
    shown = await ingest(stocked, "a")
    await others.publish(publication(version, 1), configured(OWN, THRESHOLD), opened(shown))
    await prediction.settled()
    (refused,) = await answers(stocked)
    assert isinstance(refused, PredictionFailed)
    assert refused.code.startswith(code)


async def test_classes_that_the_ontology_does_not_have_are_left_out(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    model = bright_model()
    await register(stocked, "v1", model, card_of(model, classes=("blot",)))
    shown = await ingest(stocked, "a")
    await others.publish(publication("v1", 1), configured(OWN), opened(shown))
    await prediction.settled()
    (said,) = await completed(stocked)
    assert said.shapes.count == 0
    metrics = (await prediction.client("admin").get("/metrics")).text
    assert 'wakeline_dropped_shapes_total{predictor="own",reason="unknown-class"}' in metrics


async def test_beyond_the_most_urgent_tasks_only_what_is_requested_is_predicted_again(
    stocked: Scope, others: Publisher
) -> None:
    tasks = [opened(await ingest(stocked, f"a{n}"), priority=n) for n in range(4)]
    async with running(service(settings(stocked, repredicted=1)), stocked) as prediction:
        await others.publish(configured(OWN, THRESHOLD), *tasks)
        await prediction.settled()
        await register(stocked, "v1", bright_model())
        await others.publish(publication("v1", 1))
        await prediction.settled()
        assert [e.task_id for e in await completed(stocked) if e.serving_epoch] == ["task-a3"]
        await others.publish(requested(tasks[0]))
        await prediction.settled()
        anew = sorted(e.task_id for e in await completed(stocked) if e.serving_epoch)
        assert anew == ["task-a0", "task-a3"]


async def _until_looked_at_again() -> None:
    """A model in memory is trusted for a second."""
    await asyncio.sleep(TRUSTED_SECONDS + 0.1)
