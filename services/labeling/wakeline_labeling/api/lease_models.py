"""Leases, drafts and submits as they are on the wire."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from wakeline_events.configuration import Ontology
from wakeline_events.labeling import Effort
from wakeline_events.ontology import Annotations
from wakeline_events.strict import Strict
from wakeline_geometry.shapes import Annotation, Predicted, Region
from wakeline_labeling.domain.records import Slot
from wakeline_labeling.usecases.leasing import LeaseView


class LeaseRequest(Strict):
    """How many tasks are wanted."""

    count: Annotated[int, Field(ge=1, le=50)] = 1


class LeasedAsset(BaseModel):
    """What a labeler needs to know of an image; its pixels come by the lease."""

    asset_id: str
    digest: str
    width: int
    height: int
    bands: list[str]


class PrelabelOut(BaseModel):
    """The pre-label to show."""

    prediction_id: str
    predictor: str
    predictor_version: str
    shapes: list[Predicted]


class LeaseOut(BaseModel):
    """One lease. It does not say which arm its task is in.

    Nor does it tell the slot, or how likely the task was to be picked: both give benchmarks away.
    """

    lease_id: str
    fence: int
    task_id: str
    round: int
    project_id: str
    stage_id: str
    asset: LeasedAsset
    ontology: Ontology
    prelabel: PrelabelOut | None
    draft: list[Annotation] | None
    rework_of: str | None
    focus_regions: list[Region]
    leased_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, view: LeaseView) -> "LeaseOut":
        """As its holder is told."""
        slot, lease = view.slot, view.lease
        return cls.model_construct(
            lease_id=slot.lease_id,
            fence=lease.fence,
            task_id=slot.task_id,
            round=slot.round,
            project_id=slot.project_id,
            stage_id=slot.stage_id,
            asset=leased_asset(slot),
            ontology=view.ontology,
            prelabel=_prelabel(view),
            draft=None if view.draft is None else list(view.draft),
            rework_of=slot.rework_of,
            focus_regions=list(slot.focus_regions),
            leased_at=lease.leased_at,
            expires_at=lease.expires_at,
        )


def leased_asset(slot: Slot) -> LeasedAsset:
    """The asset of a slot, without where its bytes lie."""
    asset = slot.asset
    return LeasedAsset(
        asset_id=asset.asset_id,
        digest=asset.digest,
        width=asset.width,
        height=asset.height,
        bands=sorted(asset.bands),
    )


def _prelabel(view: LeaseView) -> PrelabelOut | None:
    if view.pin is None:
        return None
    return PrelabelOut.model_construct(
        prediction_id=view.pin.prediction_id,
        predictor=view.pin.predictor,
        predictor_version=view.pin.predictor_version,
        shapes=list(view.shapes),
    )


class LeasesOut(BaseModel):
    """Leases that the caller holds."""

    leases: list[LeaseOut]


class Reason(Strict):
    """Why a lease is given back."""

    reason: Annotated[str, Field(max_length=1_000)] = ""


class Ended(BaseModel):
    """The lease is over."""

    lease_id: str
    reason: str


class Heartbeat(BaseModel):
    """The lease lives on."""

    lease_id: str
    expires_at: datetime


class DraftIn(Strict):
    """Unfinished work."""

    fence: int
    annotations: Annotations


class DraftOut(BaseModel):
    """The work is kept."""

    lease_id: str
    saved_at: datetime


class SubmitIn(Strict):
    """All annotations of a task. What it says of ``origin`` is overwritten."""

    fence: int
    annotations: Annotations
    seconds: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None
    """Human time as the client measured it."""


class SubmitOut(BaseModel):
    """The lease became a label."""

    label_id: str
    effort: Effort
