"""The model of another stage answers, under this stage's names, until it has a better one."""

from __future__ import annotations

import pytest

from wakeline_testing import Scope
from wakeline_testing.running import Publisher, RunningService

from .kit import (
    OWN,
    STAGE,
    THRESHOLD,
    bright_model,
    completed,
    configured,
    ingest,
    opened,
    publication,
    register,
    retirement,
)

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]
THEIRS = "harbour/outline"
RELATED = {"name": "related", "stage": THEIRS, "classes": {"spot": "disc"}}


async def test_what_serves_a_related_stage_answers_anew_with_each_of_its_models(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    ours = configured(OWN, RELATED, THRESHOLD, classes=("disc",))
    await others.publish(ours, opened(await ingest(stocked, "a")))
    await prediction.settled()
    for version, dark in (("v1", False), ("v2", True)):
        await register(stocked, version, bright_model(dark=dark), stage=THEIRS)
        await others.publish(publication(version, int(version[1]), THEIRS))
        await prediction.settled()
    await others.publish(retirement("v2", 3, THEIRS))
    await prediction.settled()
    rule, first, second, rule_again = await completed(stocked)
    assert [each.predictor for each in (first, second)] == ["related", "related"]
    assert [each.model_version for each in (first, second)] == ["v1", "v2"]
    assert [each.predictor_version.partition("+")[0] for each in (first, second)] == ["v1", "v2"]
    assert first.shapes.items is not None
    assert {shape.class_name for shape in first.shapes.items} == {"disc"}
    assert first.shapes.count == 3
    assert {rule.predictor, rule_again.predictor} == {"heuristic.threshold"}
    assert {each.serving_epoch for each in (rule, first, second)} == {0}  # it is ours


async def test_what_the_mapping_does_not_name_is_left_out_and_counted(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    await register(stocked, "v1", bright_model(), stage=THEIRS)
    mapped = {**RELATED, "classes": {"wake": "disc"}}
    await others.publish(
        publication("v1", 1, THEIRS),
        configured(mapped, classes=("disc", "spot")),
        opened(await ingest(stocked, "a")),
    )
    await prediction.settled()
    (said,) = await completed(stocked)
    assert said.shapes.count == 0
    metrics = (await prediction.client("admin").get("/metrics")).text
    assert 'dropped_shapes_total{predictor="related",reason="unmapped-class"} 3.0' in metrics


async def test_shapes_below_the_least_score_are_not_shown(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    await register(stocked, "v1", bright_model(bias=-0.3), stage=THEIRS)
    await others.publish(publication("v1", 1, THEIRS), configured(RELATED, classes=("disc",)))
    await others.publish(opened(await ingest(stocked, "a")))
    await prediction.settled()
    choosy = {**RELATED, "parameters": {"least_score": 0.9}}
    await others.publish(configured(choosy, version=2, classes=("disc",)))
    await prediction.settled()
    assert [each.shapes.count for each in await completed(stocked)] == [3, 0]


async def test_our_own_model_goes_before_theirs_once_it_serves(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    await register(stocked, "v1", bright_model(), stage=THEIRS)
    await register(stocked, "ours", bright_model())
    await others.publish(publication("v1", 1, THEIRS), configured(OWN, RELATED))
    await others.publish(opened(await ingest(stocked, "a")))
    await prediction.settled()
    await others.publish(publication("ours", 1))
    await prediction.settled()
    said = [(each.predictor, each.serving_epoch) for each in await completed(stocked)]
    assert said == [("related", 0), ("own", 1)]


async def test_stages_that_are_related_to_one_another_come_to_rest(
    stocked: Scope, prediction: RunningService, others: Publisher
) -> None:
    await others.publish(
        configured({"name": "related", "stage": THEIRS}),
        configured({"name": "related", "stage": STAGE}, project="harbour"),
        opened(await ingest(stocked, "a")),
    )
    for stage in (STAGE, THEIRS):
        await register(stocked, "v1", bright_model(), stage=stage)
        await others.publish(publication("v1", 1, stage))
    await prediction.settled()  # labeling refuses such a document; should one come, nobody turns
    assert [each.model_version for each in await completed(stocked)] == ["v1"]
