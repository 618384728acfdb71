"""What serves a stage: the gate's word, overruling it, and going back."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from wakeline_testing import Scope
from wakeline_testing.running import Publisher, RunningService, running

from . import scenario
from .scenario import (
    benchmark,
    configured,
    failed,
    get,
    labels,
    predicted,
    told,
    trained,
    training,
    until,
)

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]
BODY = {"project": "weeds", "stage": "outline"}
HELD = 14
ALL_HELD = configured(holdout_share=0.999)
"""Every group with an unassisted label becomes hold-out."""


async def prepared(service: RunningService, publisher: Publisher) -> None:
    """Fourteen hold-out assets that the heuristic has answered on, and some to train on."""
    await publisher.publish(ALL_HELD, *labels(HELD + 6, holdout=HELD))
    await publisher.publish(*(predicted(n) for n in range(HELD)))
    await service.settled()


async def post(
    service: RunningService, path: str, body: Mapping[str, object]
) -> tuple[int, dict[str, Any]]:
    async with service.client("engineer", person_id="p-engineer") as client:
        response = await client.post(path, json=body)
        return response.status_code, response.json()


async def test_training_begins_with_what_serves_or_else_with_the_latest(scope: Scope) -> None:
    publisher = Publisher(scope)
    async with running(training(scope), scope) as service:
        await prepared(service, publisher)
        first = await trained(service, quality=0.05)
        assert (first["base_model"], first["metrics"]["base"]) == (None, None)
        assert first["gate"]["verdict"] == "blocked"
        good = await trained(service, quality=0.95)
        assert good["base_model"] == first["model_version"]  # its own model does not serve
        run_id = await scenario.start(service, quality=0.05, failing_attempts=1)
        bad = await until(service, run_id, "completed")
        assert (bad["base_model"], bad["attempt"]) == (good["model_version"], 2)
        left = f"runs/{good['run_id']}/{good['attempt']}/"
        assert bad["metrics"]["base"].endswith(left)
        after = await trained(service, quality=0.9)
        assert after["base_model"] == good["model_version"]
        afresh = await trained(service, quality=0.9, fresh=True)
        assert (afresh["base_model"], afresh["metrics"]["base"]) == (None, None)
        model = await get(service, f"/v1/models/{after['model_version']}")
        assert model["base_model"] == good["model_version"]
    bases = [data["base_model_version"] for kind, data in await told(scope) if "trained" in kind]
    assert bases == [None, first["model_version"], *[good["model_version"]] * 2, None]


async def test_publish_force_roll_back_and_retire(scope: Scope) -> None:
    publisher = Publisher(scope)
    async with running(training(scope), scope) as service:
        await prepared(service, publisher)
        good = (await trained(service, quality=0.95))["model_version"]
        # The serving model's own words are the comparator where no event has brought them.
        run = await trained(service, quality=0.05)
        bad, gate = run["model_version"], run["gate"]
        assert (gate["verdict"], gate["comparator"]) == ("blocked", good)
        assert gate["difference"] < gate["upper_90"] < 0
        assert gate["smallest_detectable"] > 0
        assert not (await get(service, f"/v1/models/{bad}"))["serving"]
        assert (await get(service, f"/v1/models/{good}"))["serving"]

        publish = f"/v1/models/{bad}/publish"
        status, problem = await post(service, publish, {})
        assert (status, problem["code"]) == (409, "model-blocked")
        assert problem["reasons"] == gate["reasons"]
        assert (await post(service, publish, {"force": True}))[0] == 409
        why = "The hold-out is mislabeled, ask Ada"
        status, serving = await post(service, publish, {"force": True, "reason": why})
        assert (status, serving["serving"], serving["serving_epoch"]) == (200, bad, 2)
        assert serving["earlier"] == [good]
        (publication,) = (await get(service, f"/v1/models/{bad}"))["publications"]
        assert publication["forced"]
        assert publication["reason"] == why
        assert publication["by"] == "p-engineer"

        status, serving = await post(service, "/v1/models/rollback", BODY)
        assert (status, serving["serving"], serving["serving_epoch"]) == (200, good, 3)
        status, serving = await post(service, "/v1/models/rollback", BODY)
        assert (status, serving["serving"], serving["serving_epoch"]) == (200, None, 4)
        status, problem = await post(service, "/v1/models/rollback", BODY)
        assert (status, problem["code"]) == (409, "nothing-serves")
        status, serving = await post(service, f"/v1/models/{good}/publish", {})
        assert (status, serving["serving_epoch"]) == (200, 5)
        await service.settled()
    told = await scenario.told(scope)
    decisions = [
        (kind, data["model_version"], data["serving_epoch"])
        for kind, data in told
        if kind in {"model.published", "model.retired"}
    ]
    assert decisions == [
        ("model.published", good, 1),
        ("model.published", bad, 2),
        ("model.published", good, 3),
        ("model.retired", good, 4),
        ("model.published", good, 5),
    ]
    assert why not in str(told), "free text never enters an event"


async def test_the_gate_waits_for_predictions_of_what_serves_now(scope: Scope) -> None:
    publisher = Publisher(scope)
    patient = training(scope, gate_wait=timedelta(seconds=60))
    async with running(patient, scope) as service:
        await publisher.publish(ALL_HELD, *labels(HELD + 6, holdout=HELD))
        # One is still on its way: the gate may not take it for "nothing to say".
        await publisher.publish(*(predicted(n) for n in range(1, HELD - 1)), failed(HELD - 1))
        await service.settled()
        run_id = await scenario.start(service)
        async with asyncio.timeout(30):
            while (run := await get(service, f"/v1/runs/{run_id}"))["state"] != "gating":
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)
        assert (await get(service, f"/v1/runs/{run_id}"))["state"] == "gating"
        await publisher.publish(predicted(0))
        await service.settled()
        run = await get(service, f"/v1/runs/{run_id}")
        assert run["state"] == "completed"
        assert run["gate"]["holdout_assets"] == HELD


async def test_what_a_candidate_finds_outside_of_focus_regions_does_not_speak_against_it(
    scope: Scope,
) -> None:
    about = {"focus_regions": ((0.0, 0.0, 64.0, 32.0),)}
    publisher = Publisher(scope)
    async with running(training(scope), scope) as service:
        await publisher.publish(ALL_HELD)
        told = [*labels(HELD + 6, holdout=HELD), benchmark(0)]
        await publisher.publish(*(event.model_copy(update=about) for event in told))
        # Prediction has cut its answers to the regions; a trainer's predictions are of all.
        await publisher.publish(*(predicted(n, good=True) for n in range(HELD)))
        await service.settled()
        run = await trained(service, quality=1, strays=3)
        lines = await scenario.manifest(service, run["dataset_version"])
        assert [line["focus_regions"] for line in lines] == [[[0, 0, 64, 32]]] * (HELD + 6)
        assert (run["gate"]["verdict"], run["gate"]["difference"]) == ("passed", 0)


async def test_the_gate_stops_waiting_when_its_time_is_over(scope: Scope) -> None:
    publisher = Publisher(scope)
    async with running(training(scope, gate_wait=timedelta(seconds=1)), scope) as service:
        await publisher.publish(ALL_HELD, *labels(HELD + 6, holdout=HELD))
        await publisher.publish(*(predicted(n) for n in range(4)))
        await service.settled()
        run = await trained(service)
        assert run["state"] == "completed"
        # Those that nothing was said about are left out of the pairing.
        assert (run["gate"]["holdout_assets"], run["gate"]["verdict"]) == (4, "underpowered")


async def test_predictions_of_a_lower_epoch_do_not_stand_for_what_serves_now(
    scope: Scope,
) -> None:
    publisher = Publisher(scope)
    async with running(training(scope, gate_wait=timedelta(seconds=1)), scope) as service:
        await prepared(service, publisher)
        first = (await trained(service, quality=0.95))["model_version"]
        await publisher.publish(*(predicted(n, epoch=1, good=True) for n in range(HELD)))
        await publisher.publish(*(predicted(n, epoch=0) for n in range(HELD)))
        await service.settled()
        run = await trained(service, quality=0.95)
        assert run["gate"]["comparator"] == "v1"
        assert run["gate"]["difference"] > -0.2
        rows = service.database["holdout_predictions"]
        assert await rows.count_documents({"serving_epoch": 1}) == HELD
        assert (await get(service, f"/v1/models/{first}"))["number"] == 1
