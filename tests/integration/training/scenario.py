"""Events of a small project: what the other services would tell training."""

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from wakeline_blobs import Blobs
from wakeline_events.base import Asset, Event
from wakeline_events.configuration import ProjectDocument
from wakeline_events.ingest import AssetIngested
from wakeline_events.labeling import Arm, BenchmarkSet, ProjectConfigured
from wakeline_events.prediction import PredictionCompleted, PredictionFailed
from wakeline_events.review import LabelAccepted, LabelSuperseded
from wakeline_events.shapes import AnnotationSet, PredictionSet
from wakeline_geometry.shapes import Annotation, Box, Predicted
from wakeline_messaging import JobRunner, Processor, create_indexes
from wakeline_messaging.jobs import JobLease
from wakeline_process import Service
from wakeline_process.runtime import Runtime, open_runtime
from wakeline_storage import migrate
from wakeline_testing import Scope
from wakeline_testing.running import (
    BUCKETS,
    Publisher,
    RunningService,
    published,
    running,
    settings_of,
)
from wakeline_training.handlers import handlers
from wakeline_training.jobs import jobs
from wakeline_training.resources import Resources
from wakeline_training.settings import Settings, TrainerSettings
from wakeline_training.store.unit_of_work import MongoTrainingUnitOfWork
from wakeline_training.wiring import service

PROJECT, STAGE = "weeds", "outline"
STAGE_ID = f"{PROJECT}/{STAGE}"
CUSTOMER = (sys.executable, str(Path(__file__).with_name("customer_trainer.py")))
QUICK = timedelta(seconds=0.1)


def training(
    scope: Scope, command: tuple[str, ...] = CUSTOMER, **own: Any
) -> Service[MongoTrainingUnitOfWork, Resources]:
    """The service, with a customer's trainer and little patience."""
    trainer = TrainerSettings(command=command, nice=0, beat=QUICK, grace=timedelta(seconds=2))
    chosen = {"trainer": trainer, "gate_wait": timedelta(seconds=2), **own}
    return service(settings_of(scope, "training", Settings, **chosen))


@asynccontextmanager
async def idle(scope: Scope, **own: Any) -> AsyncIterator[Runtime]:
    """The service's connections, with its buckets and its database ready, and nothing at work."""
    await scope.make_buckets(*BUCKETS)
    async with open_runtime(training(scope, **own)) as runtime:
        await create_indexes(runtime.database)
        await migrate(runtime.database, runtime.service.migrations)
        yield runtime


@asynccontextmanager
async def labeled(scope: Scope, **parameters: Any) -> AsyncIterator[RunningService]:
    """The service at work, with just enough labels for a run; parameters are the policy's."""
    async with running(training(scope), scope) as service:
        await Publisher(scope).publish(configured(**parameters), *labels(8, holdout=6))
        await service.settled()
        yield service


async def take_in(runtime: Runtime, publisher: Publisher, *events: Event) -> None:
    """Handle events as the consumer does."""
    processor = Processor(handlers, runtime.stores)
    await processor.process([publisher.envelope(event) for event in events])
    await processor.sweep()


async def due(runtime: Runtime, kind: str, resources: Any = None) -> JobLease[Any, Any]:
    """The next job of a kind, in the hands of a new runner."""
    given = resources or runtime.resources
    lease = await JobRunner(runtime.database, jobs, runtime.stores, given).lease(jobs.kinds[kind])
    assert lease is not None
    return lease


def configured(
    version: int = 1,
    *,
    project: str = PROJECT,
    dataset: str = "fields",
    trigger: int = 0,
    stages: Iterable[str] = (STAGE,),
    holdout_share: float = 0.2,
    **parameters: Any,
) -> ProjectConfigured:
    """A project of one dataset whose stages are trained to find boxes."""
    document = ProjectDocument.model_validate(
        {
            "project": project,
            "datasets": [dataset],
            "ontology": {"classes": [{"name": "weed", "kinds": ["box"]}]},
            "stages": [
                {
                    "name": name,
                    "team": "botanists",
                    "predictors": [{"name": predictor} for predictor in ("own", "heuristic.ndvi")],
                    "holdout_share": holdout_share,
                    "training": {
                        "trainer": "boxes",
                        "trigger_labels": trigger,
                        "parameters": parameters,
                    },
                }
                for name in stages
            ],
        }
    )
    return ProjectConfigured(project_id=project, version=version, document=document)


def asset(
    number: int,
    group: str | None = None,
    neighbours: Iterable[int] = (),
    dataset: str = "fields",
) -> Asset:
    """One field; its group is its own unless one is named. A number is one image everywhere."""
    digest = hashlib.sha256(f"image {number}".encode()).hexdigest()
    return Asset(
        asset_id=f"{dataset}:{digest}",
        dataset_id=dataset,
        digest=digest,
        width=64,
        height=64,
        group=group or f"g{number}",
        neighbours=tuple(asset(other, dataset=dataset).asset_id for other in neighbours),
        image=f"{dataset}/{digest[:2]}/{digest}",
    )


def ingested(image: Asset, parent: str | None = None) -> AssetIngested:
    """An image as ingest tells of it."""
    return AssetIngested(asset_id=image.asset_id, asset=image, bytes=1, parent=parent)


def truth(number: int, left: float = 4) -> tuple[Annotation, ...]:
    """Four weeds in a row."""
    return tuple(
        Annotation(
            id=f"w{i}",
            class_name="weed",
            geometry=Box(corners=(left + 14 * i, 10, left + 14 * i + 9, 20 + number % 7)),
        )
        for i in range(4)
    )


def accepted(
    number: int,
    *,
    arm: Arm = "holdout",
    project: str = PROJECT,
    stage: str = STAGE,
    round: int = 1,
    of: Asset | None = None,
    annotations: tuple[Annotation, ...] | None = None,
) -> LabelAccepted:
    """A label of one asset, made in an arm."""
    task = hashlib.sha256(f"{project}/{stage}/{number}".encode()).hexdigest()[:24]
    shapes = truth(number) if annotations is None else annotations
    image = of or asset(number)
    return LabelAccepted(
        asset_id=image.asset_id,
        label_id=f"{task}.0.{round}",
        merged_from=(f"{task}.0.{round}",),
        project_id=project,
        stage_id=f"{project}/{stage}",
        task_id=task,
        slot=0,
        round=round,
        asset=image,
        arm=arm,
        assisted=arm == "assisted",
        verdict="unreviewed",
        reviewer_id=None,
        annotations=AnnotationSet(count=len(shapes), items=shapes),
    )


def superseded(number: int, annotations: tuple[Annotation, ...]) -> LabelSuperseded:
    """A later correction of an accepted label."""
    label = accepted(number)
    return LabelSuperseded(
        asset_id=label.asset_id,
        label_id=label.label_id,
        stage_id=label.stage_id,
        task_id=label.task_id,
        reviewer_id="p-expert",
        annotations=AnnotationSet(count=len(annotations), items=annotations),
    )


def labels(count: int, holdout: int) -> list[LabelAccepted]:
    """The first ones unassisted, as labeling serves them; the rest assisted."""
    return [accepted(n, arm="holdout" if n < holdout else "assisted") for n in range(count)]


def benchmark(number: int, of: Asset | None = None) -> BenchmarkSet:
    """Trusted truth of an asset."""
    image = of or asset(number)
    shapes = truth(number)
    return BenchmarkSet(
        asset_id=image.asset_id,
        project_id=PROJECT,
        stage_id=STAGE_ID,
        asset=image,
        truth=AnnotationSet(count=len(shapes), items=shapes),
    )


def predicted(number: int, *, epoch: int = 0, good: bool = False) -> PredictionCompleted:
    """What serves said of a hold-out asset: all of the truth, or its first weed."""
    shapes = tuple(
        Predicted(**annotation.model_dump(exclude={"origin", "prelabel_id"}), score=0.9)
        for annotation in truth(number)[: 4 if good else 1]
    )
    return PredictionCompleted(
        asset_id=asset(number).asset_id,
        prediction_id=f"pr{number}-{epoch}",
        stage_id=STAGE_ID,
        task_id=accepted(number).task_id,
        predictor="own" if epoch else "heuristic.ndvi",
        predictor_version=f"v{epoch}",
        serving_epoch=epoch,
        holdout=True,
        shapes=PredictionSet(count=len(shapes), items=shapes),
        uncertainty=0.5,
    )


def failed(number: int, epoch: int = 0) -> PredictionFailed:
    """The predictor could say nothing of an asset."""
    return PredictionFailed(
        asset_id=asset(number).asset_id,
        stage_id=STAGE_ID,
        task_id=accepted(number).task_id,
        predictor="heuristic.ndvi",
        serving_epoch=epoch,
        code="no-band",
        reason="there is no band nir",
    )


async def start(service: RunningService, **parameters: Any) -> str:
    """Ask for a run as an engineer."""
    async with service.client("engineer", person_id="p-engineer") as client:
        response = await client.post(
            "/v1/runs", json={"project": PROJECT, "stage": STAGE, "parameters": parameters}
        )
        assert response.status_code == 201, response.text
        run_id: str = response.json()["run_id"]
        return run_id


async def get(service: RunningService, path: str) -> Any:
    """Read something as an engineer."""
    async with service.client("engineer") as client:
        response = await client.get(path)
        assert response.status_code == 200, response.text
        return response.json()


async def trained(service: RunningService, limit: float = 120, **parameters: Any) -> dict[str, Any]:
    """Run to the end and return the run."""
    run_id = await start(service, **parameters)
    await service.settled(limit=limit)
    run: dict[str, Any] = await get(service, f"/v1/runs/{run_id}")
    return run


async def until(service: RunningService, run_id: str, state: str, limit: float = 120) -> Any:
    """Wait until a run has reached a state."""
    async with asyncio.timeout(limit):
        while (run := await get(service, f"/v1/runs/{run_id}"))["state"] != state:
            await asyncio.sleep(0.05)
    return run


async def told(scope: Scope) -> list[tuple[str, dict[str, Any]]]:
    """What training published, in order (its stages share no key, a stage's events do)."""
    return [(e.type, json.loads(e.data)) for e in await published(scope, "training")]


async def manifest(service: RunningService, version: str) -> list[dict[str, Any]]:
    """A dataset version's lines."""
    async with service.client("engineer") as client:
        response = await client.get(f"/v1/dataset-versions/{version}/manifest")
        assert response.status_code == 200, response.text
        assert hashlib.sha256(response.content).hexdigest() == version
        return [json.loads(line) for line in response.content.splitlines()]


async def as_prediction(scope: Scope, key: str) -> bytes:
    """Read from the bucket of models with the prediction service's credential."""
    async with Blobs(scope.blobs("prediction")) as blobs:
        return await blobs.get("models", key)
