"""Events of a small project, as benchmarks send them."""

import hashlib
from datetime import UTC, datetime
from uuid import uuid4

from wakeline_events.base import Asset, Event
from wakeline_events.configuration import (
    ClassDefinition,
    Ontology,
    PredictorChoice,
    ProjectDocument,
    ReviewPolicy,
    StagePolicy,
)
from wakeline_events.ingest import AssetIngested
from wakeline_events.labeling import Effort, LabelCompleted, ProjectConfigured, TaskOpened
from wakeline_events.registry import topic_of
from wakeline_events.shapes import AnnotationSet
from wakeline_geometry.shapes import Annotation, Box
from wakeline_messaging import Envelope
from wakeline_messaging.envelope import encode, schema_of

PROJECT, STAGE = "harbour", "harbour/find"
BOXES = 5


def configured() -> ProjectConfigured:
    """A project of one stage with pre-labels; nobody reviews its labels."""
    document = ProjectDocument(
        project=PROJECT,
        datasets=("tiles",),
        ontology=Ontology(classes=(ClassDefinition(name="ship", kinds=("box",)),)),
        stages=(
            StagePolicy(
                name="find",
                team="vendor",
                review=ReviewPolicy(share=0),
                predictors=(PredictorChoice(name="own"), PredictorChoice(name="external")),
            ),
        ),
    )
    return ProjectConfigured(project_id=PROJECT, version=1, document=document)


def asset(number: int, dataset: str = "tiles") -> Asset:
    """The image of a number, in a group of its own; those of two datasets are no copies."""
    digest = hashlib.sha256(f"{dataset} {number}".encode()).hexdigest()
    return Asset(
        asset_id=f"{dataset}:{digest}",
        dataset_id=dataset,
        digest=digest,
        width=640,
        height=480,
        group=f"g{number}",
        image=f"{dataset}/{digest[:2]}/{digest}",
    )


def boxes(number: int) -> tuple[Annotation, ...]:
    """Five boxes on it."""
    return tuple(
        Annotation(
            id=str(index),
            class_name="ship",
            geometry=Box(corners=(left, 20.0, left + 40.5, 60.25)),
        )
        for index in range(BOXES)
        for left in (float(10 + 100 * index + number % 10),)
    )


def completed(number: int) -> LabelCompleted:
    """A label of five boxes."""
    image = asset(number)
    return LabelCompleted(
        asset_id=image.asset_id,
        label_id=f"task-{number}.0.1",
        project_id=PROJECT,
        stage_id=STAGE,
        task_id=f"task-{number}",
        slot=0,
        round=1,
        asset=image,
        arm="assisted",
        counts=True,
        p_control=0.1,
        p_selected=1.0,
        prelabel=None,
        annotations=AnnotationSet(count=BOXES, items=boxes(number)),
        effort=Effort(confirmed=0, edited=0, drawn=BOXES, removed=0, lease_seconds=12.5),
        person_id=f"p-{number % 16}",
        team_id="vendor",
        lease_id=f"lease-{number}",
        ontology_version=1,
        submitted_at=datetime(2026, 6, 1, tzinfo=UTC),
    )


def opened(number: int) -> TaskOpened:
    """A task that wants a pre-label."""
    image = asset(number)
    return TaskOpened(
        asset_id=image.asset_id,
        project_id=PROJECT,
        stage_id=STAGE,
        task_id=f"task-{number}",
        asset=image,
        holdout=False,
        priority=0,
    )


def ingested(number: int, dataset: str) -> AssetIngested:
    """An image that can be labeled; there are no pixels to it."""
    image = asset(number, dataset)
    return AssetIngested(asset_id=image.asset_id, asset=image, bytes=1_000)


def first(event: Event, topic_prefix: str) -> Envelope:
    """The event as a relay would send it, the first of its stream."""
    return Envelope(
        topic=topic_of(event.PRODUCER, topic_prefix),
        key=event.key,
        sequence=1,
        id=uuid4().hex,
        type=event.TYPE,
        dataschema=schema_of(event),
        time=datetime.now(UTC),
        data=encode(event),
    )
