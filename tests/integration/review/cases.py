"""Labels of a small harbour, and what a reviewer does with them."""

from datetime import UTC, datetime
from typing import Any

from wakeline_events.base import Asset
from wakeline_events.configuration import (
    ClassDefinition,
    ConsensusPolicy,
    Ontology,
    ProjectDocument,
    ReviewPolicy,
    StagePolicy,
)
from wakeline_events.labeling import Arm, Effort, LabelCompleted, ProjectConfigured
from wakeline_events.shapes import AnnotationSet
from wakeline_geometry.shapes import Annotation, Box
from wakeline_testing.running import RunningService

CONSENSUS = ConsensusPolicy()
ONTOLOGY = Ontology(classes=(ClassDefinition(name="ship", kinds=("box",)),))


def box(name: str, x: float, class_name: str = "ship") -> Annotation:
    return Annotation(id=name, class_name=class_name, geometry=Box(corners=(x, 10, x + 20, 30)))


def shapes(*annotations: Annotation) -> AnnotationSet:
    return AnnotationSet(count=len(annotations), items=annotations)


def configured(
    share: float = 1.0,
    n_labels: int = 1,
    consensus: ConsensusPolicy = CONSENSUS,
    ontology: Ontology = ONTOLOGY,
    stage: str = "find",
    version: int = 1,
    **review: Any,
) -> ProjectConfigured:
    document = ProjectDocument(
        project="harbour",
        datasets=("tiles",),
        ontology=ontology,
        stages=(
            StagePolicy(
                name=stage,
                team="vendor",
                n_labels=n_labels,
                consensus=consensus,
                review=ReviewPolicy(**{"max_rounds": 2, "team": "experts", **review}, share=share),
            ),
        ),
    )
    return ProjectConfigured(project_id="harbour", version=version, document=document)


def completed(
    asset: str,
    *annotations: Annotation,
    slot: int = 0,
    round: int = 1,
    arm: Arm = "assisted",
    counts: bool = True,
    person: str = "p-labeler",
) -> LabelCompleted:
    asset_id = f"tiles:{asset}"
    return LabelCompleted(
        asset_id=asset_id,
        label_id=f"task-{asset}.{slot}.{round}",
        project_id="harbour",
        stage_id="harbour/find",
        task_id=f"task-{asset}",
        slot=slot,
        round=round,
        asset=Asset(
            asset_id=asset_id,
            dataset_id="tiles",
            digest=asset,
            width=100,
            height=80,
            group=asset,
            image=f"tiles/{asset}",
        ),
        arm=arm,
        counts=counts,
        p_control=0.1,
        p_selected=1.0,
        prelabel=None,
        annotations=shapes(*annotations),
        effort=Effort(confirmed=0, edited=0, drawn=len(annotations), removed=0, lease_seconds=1.0),
        person_id=person,
        team_id="vendor",
        lease_id="l1",
        ontology_version=1,
        submitted_at=datetime(2026, 6, 1, tzinfo=UTC),
    )


async def lease(review: RunningService, person: str = "p-expert") -> dict[str, Any]:
    client = review.client("reviewer", person_id=person, team_id="experts")
    answer = await client.post("/v1/reviews/leases", json={"project": "harbour", "stage": "find"})
    assert answer.status_code == 201, answer.text
    (leased,) = answer.json()["leases"]
    return dict(leased)


async def judge(review: RunningService, leased: dict[str, Any], **verdict: Any) -> Any:
    client = review.client("reviewer", person_id="p-expert", team_id="experts")
    return await client.post(
        f"/v1/reviews/leases/{leased['lease_id']}/verdict",
        json={"fence": leased["fence"], **verdict},
    )
