"""Labels and trusted labels as they are on the wire."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from wakeline_events.labeling import Arm, Effort, PinnedPrelabel
from wakeline_events.ontology import Annotations
from wakeline_events.strict import Strict
from wakeline_geometry.shapes import Annotation
from wakeline_labeling.api.lease_models import LeasedAsset
from wakeline_labeling.domain.records import Label


class AcceptanceOut(BaseModel):
    """What became of a label in review."""

    label_id: str
    verdict: str
    reviewer_id: str | None
    annotations: list[Annotation]
    agreement: float | None
    benchmark_score: float | None


class LabelOut(BaseModel):
    """A label with all that an export or an analysis needs."""

    label_id: str
    project_id: str
    stage_id: str
    task_id: str
    slot: int
    round: int
    asset: LeasedAsset
    group: str
    arm: Arm
    counts: bool
    p_control: float
    p_selected: float
    prelabel: PinnedPrelabel | None
    annotations: list[Annotation]
    effort: Effort
    person_id: str
    team_id: str | None
    lease_id: str
    ontology_version: int
    submitted_at: datetime
    state: str
    accepted: AcceptanceOut | None

    @classmethod
    def of(
        cls,
        label: Label,
        annotations: tuple[Annotation, ...],
        accepted: tuple[Annotation, ...] | None,
    ) -> "LabelOut":
        """As it is told, with its geometry at hand."""
        asset, acceptance = label.asset, label.acceptance
        fields = {name: getattr(label, name) for name in _LABEL}
        told = None
        if acceptance is not None and accepted is not None:
            verdict = acceptance.model_dump(exclude={"annotations"})
            told = AcceptanceOut.model_construct(**verdict, annotations=list(accepted))
        return cls.model_construct(
            label_id=label.id,
            asset=LeasedAsset(
                asset_id=asset.asset_id,
                digest=asset.digest,
                width=asset.width,
                height=asset.height,
                bands=sorted(asset.bands),
            ),
            group=asset.group,
            annotations=list(annotations),
            accepted=told,
            **fields,
        )


_LABEL = (
    "project_id",
    "stage_id",
    "task_id",
    "slot",
    "round",
    "arm",
    "counts",
    "p_control",
    "p_selected",
    "prelabel",
    "effort",
    "person_id",
    "team_id",
    "lease_id",
    "ontology_version",
    "submitted_at",
    "state",
)


class BenchmarkIn(Strict):
    """The trusted label of one asset."""

    asset_id: str
    annotations: Annotations


class BenchmarksIn(Strict):
    """Trusted labels."""

    items: Annotated[list[BenchmarkIn], Field(min_length=1, max_length=1_000)]


class BenchmarkOut(BaseModel):
    """What became of one trusted label."""

    asset_id: str
    status: Literal["set", "refused"]
    code: str | None = None
    detail: str = ""


class BenchmarksOut(BaseModel):
    """What became of each trusted label, those that are set first."""

    items: list[BenchmarkOut]
