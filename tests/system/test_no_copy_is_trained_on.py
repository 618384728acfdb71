"""Promise 5 with real pictures: no copy or crop of a hold-out or benchmark asset is trained on."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image
from skimage import data as pictures

from tests.integration.training import scenario
from tests.integration.training.scenario import accepted, configured, trained, training
from wakeline_events.base import Asset
from wakeline_events.ingest import AssetIngested
from wakeline_events.labeling import BenchmarkSet
from wakeline_events.shapes import AnnotationSet
from wakeline_ingest.settings import Settings
from wakeline_ingest.wiring import service as ingest_service
from wakeline_testing import Scope
from wakeline_testing.running import Publisher, published, running, settings_of

pytestmark = [pytest.mark.kafka, pytest.mark.mongo, pytest.mark.s3]

SCENES = [
    "astronaut",
    "brick",
    "camera",
    "cat",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "moon",
    "page",
    "rocket",
    "text",
]
BENCHMARK = "coffee"


def originals() -> Iterator[tuple[str, Image.Image]]:
    for name in SCENES:
        yield name, Image.fromarray(getattr(pictures, name)())


def copies(picture: Image.Image) -> Iterator[tuple[str, Image.Image, dict[str, object]]]:
    """Re-encoded, resized and cropped: what a careless upload brings a second time."""
    width, height = picture.size
    yield "reencoded", picture, {"format": "JPEG", "quality": 60}
    smaller = picture.resize((int(width * 0.6), int(height * 0.6)), Image.Resampling.LANCZOS)
    yield "resized", smaller, {"format": "PNG"}
    box = (int(width * 0.2), int(height * 0.15), int(width * 0.9), int(height * 0.85))
    yield "cropped", picture.crop(box), {"format": "JPEG", "quality": 85}


def encoded(picture: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, **options)  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.timeout(240)
async def test_no_copy_of_a_holdout_or_benchmark_asset_enters_a_training_split(
    scope: Scope,
) -> None:
    names: dict[str, str] = {}
    async with running(ingest_service(settings_of(scope, "ingest", Settings)), scope) as ingest:
        client = ingest.client("manager")
        assert (await client.put("/v1/datasets/fields", json={})).status_code == 200
        for name, picture in originals():
            files = [(name, encoded(picture, format="PNG"))]
            files += [(f"{name}-{kind}", encoded(p, **o)) for kind, p, o in copies(picture)]
            for label, data in files:
                answer = await client.post(
                    "/v1/datasets/fields/assets", files={"image": (label, data)}
                )
                assert answer.status_code == 201, (label, answer.text)
                names[answer.json()["asset_id"]] = label
        await ingest.settled(limit=90)
    ingested = [
        event
        for envelope in await published(scope, "ingest")
        if isinstance(event := envelope.event(), AssetIngested)
    ]
    assert len(ingested) == len(SCENES) * 4
    assets: dict[str, Asset] = {names[e.asset_id]: e.asset for e in ingested}
    publisher = Publisher(scope)
    async with running(training(scope), scope) as service:
        benchmark = assets[BENCHMARK]
        await publisher.publish(
            configured(),
            BenchmarkSet(
                asset_id=benchmark.asset_id,
                project_id=scenario.PROJECT,
                stage_id=scenario.STAGE_ID,
                asset=benchmark,
                truth=AnnotationSet(count=0, items=()),
            ),
            *(
                accepted(number, arm="control", of=asset, annotations=())
                for number, asset in enumerate(assets.values())
            ),
        )
        await service.settled()
        run = await trained(service)
        lines = await scenario.manifest(service, run["dataset_version"])
    sides = {
        split: {names[line["asset_id"]] for line in lines if line["split"] == split}
        for split in ("train", "holdout")
    }
    assert len(sides["holdout"]) >= 5
    assert len(sides["train"]) >= 8
    protected = {label.split("-")[0] for label in sides["holdout"]} | {BENCHMARK}
    leaked = {label for label in sides["train"] if label.split("-")[0] in protected}
    assert leaked == set()
