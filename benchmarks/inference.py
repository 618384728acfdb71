"""Predicting images: from the object store to stored predictions with their events.

``IMAGES`` (default 120) JPEGs of 640 x 480 pixels wait for a model of the size that the trainer
makes. The prediction service fetches, decodes, predicts, maps to the ontology and stores; the
yardstick runs the same network on the same windows, decoded and standardised in memory.
"""

import asyncio
import io
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks import events
from benchmarks.servers import migrated, servers
from wakeline_blobs import Blobs
from wakeline_events.training import ModelPublished
from wakeline_images import read_stack
from wakeline_messaging import JobRunner
from wakeline_models.card import BoxDecoding, ModelCard, digest_of
from wakeline_models.inference import Model
from wakeline_prediction.settings import Settings
from wakeline_prediction.usecases import projection
from wakeline_prediction.usecases.predicting import AT_ONCE
from wakeline_prediction.wiring import service
from wakeline_process.runtime import Runtime
from wakeline_testing import Scope
from wakeline_testing.running import settings_of
from wakeline_trainer import export
from wakeline_trainer.networks import CardMaps, MapNetwork

IMAGES = int(os.environ.get("IMAGES", "120"))
OBJECTS = 10
"""That the model finds on an image, about."""
KEY = "models/bench/"
YARDSTICK = "onnxruntime on the same windows in memory"
GOALS = {"ratio": (">=", 0.7)}


async def measure() -> dict[str, Any]:
    """Predict all images by jobs, then run the network alone."""
    pictures = [_picture(number) for number in range(IMAGES + 1)]
    onnx, card = _model(pictures[0])
    async with servers() as scope:
        prediction = service(settings_of(scope, "prediction", Settings))
        await _store(scope, pictures, onnx, card)
        async with migrated(prediction) as runtime:
            ours = await _by_jobs(runtime)
            answered = await runtime.database["predictions"].count_documents({})
            shapes = await runtime.database["predictions"].aggregate(
                [{"$group": {"_id": None, "n": {"$avg": "$shapes.count"}}}]
            )
            (average,) = await shapes.to_list()
    bare = await asyncio.to_thread(_alone, pictures[1:], onnx, card)
    return {
        "ratio": round(bare / ours, 3),
        "images_per_second": round(IMAGES / ours, 1),
        "bare_images_per_second": round(IMAGES / bare, 1),
        "images": IMAGES,
        "predicted": answered - 1,
        "boxes_an_image": round(average["n"], 1),
    }


def _picture(number: int) -> bytes:
    random = np.random.default_rng(number)
    coarse = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    out = io.BytesIO()
    coarse.resize((640, 480), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def _model(picture: bytes) -> tuple[bytes, ModelCard]:
    """An untrained network, with the score from which on it finds so many objects."""
    torch.manual_seed(0)
    network = MapNetwork("boxes", channels=3, classes=1)
    torch.nn.init.normal_(network.head.get_parameter("1.weight"), std=0.05)
    channels = ("red", "green", "blue")
    card = ModelCard(
        kind="boxes",
        classes=("ship",),
        channels=channels,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        scale=1.0,
        tile=512,
        overlap=64,
        stride=2,
        object_size=40,
        decode=BoxDecoding(min_score=0.0),
    )
    onnx = export.to_onnx(CardMaps(network, "boxes", 1), card)
    card = card.model_copy(update={"digest": digest_of(onnx)})
    stack, names = read_stack(picture, {})
    scores = sorted((s.score for s in Model.load(onnx, card).predict(stack, names)), reverse=True)
    least = BoxDecoding(min_score=scores[min(OBJECTS, len(scores)) - 1])
    return onnx, card.model_copy(update={"decode": least})


async def _store(scope: Scope, pictures: list[bytes], onnx: bytes, card: ModelCard) -> None:
    async with Blobs(scope.blobs("ingest")) as store:
        for number, data in enumerate(pictures):
            await store.put("assets", events.asset(number).image, data)
    async with Blobs(scope.blobs("training")) as registry:
        await registry.put("models", f"{KEY}model.onnx", onnx)
        await registry.put("models", f"{KEY}card.json", card.model_dump_json().encode())


async def _by_jobs(runtime: Runtime) -> float:
    """Seconds from the moment that all images wait until the last one is predicted."""
    jobs = runtime.service.jobs
    assert jobs is not None
    runner = JobRunner(runtime.database, jobs, runtime.stores, runtime.resources)
    await _open(runtime, range(1))
    stop = asyncio.Event()
    running = asyncio.create_task(runner.run(stop))
    try:
        await _done(runtime)  # the model is in memory now
        started = time.perf_counter()
        await _open(runtime, range(1, IMAGES + 1))
        await _done(runtime)
        return time.perf_counter() - started
    finally:
        stop.set()
        await running


async def _open(runtime: Runtime, numbers: range) -> None:
    async def body(session: Any) -> None:
        uow: Any = runtime.stores.open(session)
        await projection.configure_project(uow, events.configured())
        published = ModelPublished(
            stage_id=events.STAGE,
            model_version="bench",
            serving_epoch=1,
            metrics={},
            artefact_key=KEY,
        )
        await projection.serve_model(uow, published)
        for number in numbers:
            await projection.open_target(uow, events.opened(number))
        await uow.write()

    await runtime.stores.transactions.run(body)


async def _done(runtime: Runtime) -> None:
    while await runtime.database["jobs"].count_documents({"state": {"$ne": "failed"}}, limit=1):
        await asyncio.sleep(0.02)


class _Recording(Model):
    """Keeps the windows that the network is asked about."""

    def record(self) -> list[NDArray[np.float32]]:
        self._seen: list[NDArray[np.float32]] = []
        return self._seen

    def _answer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self._seen.append(batch)
        return super()._answer(batch)


def _alone(pictures: list[bytes], onnx: bytes, card: ModelCard) -> float:
    """Seconds of the network alone, as many images at once as the service has in hand."""
    recording = _Recording.load(onnx, card)
    windows = []
    for picture in pictures:
        seen = recording.record()
        recording.maps(*read_stack(picture, {}))
        windows.append(seen)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])

    def run(batches: list[NDArray[np.float32]]) -> None:
        for batch in batches:
            session.run(None, {"image": batch})

    with ThreadPoolExecutor(AT_ONCE) as threads:
        started = time.perf_counter()
        list(threads.map(run, windows))
        return time.perf_counter() - started
