"""From images to what a model trained on them says, and back: promise 8 with a real trainer."""

import sys
from pathlib import Path

import pytest

from wakeline_auth import Role
from wakeline_testing import Scope
from wakeline_testing.running import ISSUER

from .services import started
from .turn import LABELED, Turn

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]


def mint(person: str, role: Role, team: str) -> str:
    return ISSUER.mint(person, {role}, team)


@pytest.mark.timeout(600)
async def test_what_a_new_model_says_of_waiting_images_is_traced_to_everything_it_came_from(
    scope: Scope, tmp_path: Path
) -> None:
    async with started(scope, (sys.executable, "-m", "wakeline_trainer")) as platform:
        turn = Turn(platform.url, "oats", mint)
        await turn.label(tmp_path)
        labels = await turn.recorded("label.accepted", LABELED)
        labeled = {label.data["asset_id"] for label in labels}
        model_version = await turn.train()
        prediction, *_ = await turn.predicted_by(model_version, labeled)
        assert prediction.data["predictor"] == "own"
        nodes = await turn.came_from(prediction.data["prediction_id"])
    assert ("model", model_version) in nodes
    assert {node for kind, node in nodes if kind == "asset"} == {
        *labeled,
        prediction.data["asset_id"],
    }
    assert {node for kind, node in nodes if kind == "label"} == {
        label.data["label_id"] for label in labels
    }
    assert {("person", "p-labeler"), ("person", "p-reviewer"), ("team", "oats")} <= nodes
    assert {"dataset-version", "run"} <= {kind for kind, _ in nodes}
