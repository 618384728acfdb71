"""Projects, assets, models and pictures for tests of the prediction service."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from wakeline_blobs import Blobs
from wakeline_events.base import Asset
from wakeline_events.configuration import ProjectDocument
from wakeline_events.labeling import PredictionRequested, ProjectConfigured, TaskClosed, TaskOpened
from wakeline_events.prediction import PredictionCompleted, PredictionFailed
from wakeline_events.training import ModelPublished, ModelRetired
from wakeline_models.card import InstanceDecoding, ModelCard, digest_of
from wakeline_models.channels import brightness
from wakeline_prediction.settings import Settings
from wakeline_testing import Scope
from wakeline_testing.running import published, settings_of

PROJECT = "spots"
STAGE = f"{PROJECT}/outline"
THRESHOLD = {"name": "heuristic.threshold", "parameters": {"polarity": "bright"}}
OWN = {"name": "own"}
GROUND, SPOT = brightness(np.array([20 / 255, 220 / 255], np.float32))
"""What models see of the pictures here: 0 for the ground and 1 for a spot, once standardised."""


def settings(scope: Scope, **own: Any) -> Settings:
    return settings_of(scope, "prediction", Settings, **own)


def document(
    predictors: Sequence[dict[str, Any]],
    classes: Sequence[str],
    kinds: Sequence[str],
    project: str = PROJECT,
) -> ProjectDocument:
    return ProjectDocument.model_validate(
        {
            "project": project,
            "datasets": ["pictures"],
            "ontology": {"classes": [{"name": name, "kinds": kinds} for name in classes]},
            "stages": [{"name": "outline", "team": "crew", "predictors": predictors}],
        }
    )


def configured(
    *predictors: dict[str, Any],
    version: int = 1,
    classes: Sequence[str] = ("spot",),
    kinds: Sequence[str] = ("mask",),
    project: str = PROJECT,
) -> ProjectConfigured:
    wanted = document(predictors, classes, kinds, project)
    return ProjectConfigured(project_id=project, version=version, document=wanted)


def picture(spots: int = 3, size: tuple[int, int] = (96, 128)) -> np.ndarray[Any, Any]:
    """Bright discs on dark ground: ``spots`` of them in a row."""
    canvas = np.full(size, 20, np.uint8)
    for n in range(spots):
        cv2.circle(canvas, (20 + 36 * n, 40), 9, 220, -1)
    return canvas


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    return bytes(cv2.imencode(".png", pixels)[1])


def asset(name: str, data: bytes, size: tuple[int, int] = (96, 128)) -> Asset:
    digest = hashlib.sha256(data).hexdigest()
    return Asset(
        asset_id=f"pictures:{name}",
        dataset_id="pictures",
        digest=digest,
        width=size[1],
        height=size[0],
        group=name,
        image=f"pictures/{name}",
    )


def opened(
    shown: Asset, *, priority: int = 50, holdout: bool = False, stage: str = STAGE
) -> TaskOpened:
    return TaskOpened(
        asset_id=shown.asset_id,
        project_id=PROJECT,
        stage_id=stage,
        task_id=f"task-{shown.asset_id.partition(':')[2]}",
        asset=shown,
        holdout=holdout,
        priority=priority,
    )


def closed(task: TaskOpened) -> TaskClosed:
    return TaskClosed(
        asset_id=task.asset_id, stage_id=task.stage_id, task_id=task.task_id, reason="labeled"
    )


def requested(task: TaskOpened, priority: int = 50) -> PredictionRequested:
    return PredictionRequested(
        asset_id=task.asset_id, stage_id=task.stage_id, task_id=task.task_id, priority=priority
    )


def publication(version: str, epoch: int, stage: str = STAGE) -> ModelPublished:
    return ModelPublished(
        stage_id=stage,
        model_version=version,
        serving_epoch=epoch,
        metrics={},
        artefact_key=f"{stage}/{version}/",
    )


def retirement(version: str, epoch: int, stage: str = STAGE) -> ModelRetired:
    return ModelRetired(
        stage_id=stage, model_version=version, serving_epoch=epoch, retired_by="p-1"
    )


def bright_model(*, dark: bool = False, bias: float = 0.0) -> bytes:
    """A network of one convolution: what is bright (or dark) is an object, and each cell says
    that it is the centre of its own, so that objects are connected pieces."""
    sign = -1.0 if dark else 1.0
    foreground = np.array([[-sign], [sign], [0], [0]], np.float32)[..., None, None]
    biases = np.array([1 - (bias + dark), bias + dark, 0, 0], np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weights", "biases"], ["maps"])],
        "bright",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, "h", "w"])],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["n", 4, "h", "w"])],
        [
            numpy_helper.from_array(foreground, "weights"),
            numpy_helper.from_array(biases, "biases"),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def card_of(model: bytes, classes: Sequence[str] = ("spot",)) -> bytes:
    card = ModelCard(
        kind="instances",
        classes=tuple(classes),
        channels=("grey",),
        mean=(float(GROUND),),
        std=(float(SPOT - GROUND),),
        scale=1.0,
        tile=128,
        overlap=32,
        multiple=32,
        stride=1,
        object_size=18,
        decode=InstanceDecoding(min_cells=20, valley=0),
        digest=digest_of(model),
        trained_on="0" * 64,
    )
    return card.model_dump_json().encode()


async def register(
    scope: Scope, version: str, model: bytes, card: bytes | None = None, stage: str = STAGE
) -> None:
    """Put a model where training puts it."""
    async with Blobs(scope.blobs("training")) as registry:
        await registry.put("models", f"{stage}/{version}/model.onnx", model)
        await registry.put("models", f"{stage}/{version}/card.json", card or card_of(model))


async def ingest(scope: Scope, name: str, data: bytes | None = None) -> Asset:
    """Put a picture where ingest puts it."""
    data = png(picture()) if data is None else data
    shown = asset(name, data)
    async with Blobs(scope.blobs("ingest")) as store:
        await store.put("assets", shown.image, data)
    return shown


async def answers(scope: Scope) -> list[PredictionCompleted | PredictionFailed]:
    """Everything the service has said so far."""
    events = [envelope.event() for envelope in await published(scope, "prediction")]
    return [e for e in events if isinstance(e, PredictionCompleted | PredictionFailed)]


async def completed(scope: Scope) -> list[PredictionCompleted]:
    return [each for each in await answers(scope) if isinstance(each, PredictionCompleted)]
