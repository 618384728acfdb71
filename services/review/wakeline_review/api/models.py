"""What goes in and out of the routes of review."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from wakeline_events.ontology import Annotations
from wakeline_events.strict import Strict
from wakeline_geometry.shapes import Annotation
from wakeline_review.domain.records import Action, Review, State, Verdict


class LeaseIn(Strict):
    """Which stage to review, and how many labels at once."""

    project: str
    stage: str
    count: Annotated[int, Field(ge=1, le=50)] = 1


class VerdictIn(Strict):
    """A reviewer's verdict on a leased label."""

    fence: int
    verdict: Literal["accept", "correct", "reject"]
    annotations: Annotations | None = None
    """The corrected label: all of it, with ``correct`` and only there; [] if nothing is there."""
    labels: Annotated[list[str], Field(max_length=10)] = []
    """Where several labels of a task are judged at once. With ``accept`` the one that counts as it
    is, or none for the proposal; with ``reject`` those that are sent back."""
    comment: Annotated[str, Field(max_length=4_000)] | None = None
    """For the labeler; stays in this service."""
    seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None


class CorrectionIn(Strict):
    """A later correction of a label that counts already."""

    annotations: Annotations


class AssetOut(BaseModel):
    """What a reviewer needs to know of the image."""

    asset_id: str
    digest: str
    width: int
    height: int
    bands: list[str]


class LabelBeside(BaseModel):
    """One of the labels that are judged together. It does not say who made it."""

    label_id: str
    round: int
    annotations: list[Annotation]
    agreement: float | None
    """Mean agreement with the others."""


class ReviewLeaseOut(BaseModel):
    """One leased review: of a label, or of all labels of a task."""

    review_id: str
    lease_id: str
    fence: int
    label_id: str
    stage_id: str
    round: int
    asset: AssetOut
    reasons: list[str]
    """Why an expert looks at it."""
    annotations: list[Annotation]
    """Those of the label; of several, what they amount to."""
    labels: list[LabelBeside]
    """Every label that is judged."""
    people_agreement: float | None
    """Mean agreement of every two of them; None of one."""
    draft: dict[str, Any] | None
    expires_at: datetime

    @classmethod
    def of(
        cls,
        review: Review,
        annotations: tuple[Annotation, ...],
        labels: list[LabelBeside],
        draft: dict[str, Any] | None,
    ) -> "ReviewLeaseOut":
        """A lease with the annotations loaded."""
        assert review.lease is not None
        asset = review.label.asset
        return cls(
            review_id=review.id,
            lease_id=review.lease.lease_id,
            fence=review.fence,
            label_id=review.id,
            stage_id=review.label.stage_id,
            round=review.label.round,
            asset=AssetOut(
                asset_id=asset.asset_id,
                digest=asset.digest,
                width=asset.width,
                height=asset.height,
                bands=sorted(asset.bands),
            ),
            reasons=list(review.reasons),
            annotations=list(annotations),
            labels=labels,
            people_agreement=review.mean_agreement,
            draft=draft,
            expires_at=review.lease.expires_at,
        )


class ReviewLeasesOut(BaseModel):
    """The leases of one call."""

    leases: list[ReviewLeaseOut]


class Nothing(BaseModel):
    """What is remembered of a command that answers nothing."""


class ReleaseIn(Strict):
    """Whose leases are to end, and where."""

    project: str
    stage: str | None = None
    """None: in all stages of the project."""
    person_id: str
    reason: Annotated[str, Field(max_length=1_000)] = ""
    """For those who look at it later; stays in this service."""


class ReleasedOut(BaseModel):
    """How many leases ended."""

    released: int


class ActionOut(BaseModel):
    """Leases that a manager ended."""

    action_id: str
    action: Literal["release"] = "release"
    stage: str | None
    person_id: str
    """Whose they were."""
    released: int
    reason: str
    by: str
    asked_at: datetime

    @classmethod
    def of(cls, action: Action) -> "ActionOut":
        """As it is told."""
        return cls(action_id=action.id, **action.model_dump(exclude={"id", "project_id"}))


class HeartbeatOut(BaseModel):
    """Until when the lease holds now."""

    expires_at: datetime


class VerdictOut(BaseModel):
    """What became of a label."""

    review_id: str
    label_id: str
    state: State
    verdict: Verdict | None
    agreement: float | None
    comment: str | None
    reasons: list[str] = []
    """Why an expert looked at it, or will."""

    @classmethod
    def of(cls, review: Review) -> "VerdictOut":
        """The verdict on a label."""
        return cls(
            review_id=review.id,
            label_id=review.id,
            state=review.state,
            verdict=review.verdict,
            agreement=review.agreement,
            comment=review.comment,
            reasons=list(review.reasons),
        )


class ReviewOut(VerdictOut):
    """A review for statistics."""

    stage_id: str
    task_id: str
    asset_id: str
    slot: int
    round: int
    arm: str
    counts: bool
    person_id: str
    held_by: str | None = None
    """Who leases it, or did until the lease was over and nobody else took it."""
    reviewer_id: str | None
    seconds: float | None
    benchmark_score: float | None
    people_agreement: float | None = None
    """Mean agreement with the other labels of its task."""
    opened_at: datetime
    decided_at: datetime | None
    withdrawn: bool
    """Its image is not to be had: nobody gets it until the image is back."""

    @classmethod
    def of(cls, review: Review) -> "ReviewOut":
        """A review with everything that may be counted."""
        label = review.label
        return cls(
            **VerdictOut.of(review).model_dump(),
            stage_id=label.stage_id,
            task_id=label.task_id,
            asset_id=label.asset_id,
            slot=label.slot,
            round=label.round,
            arm=label.arm,
            counts=label.counts,
            person_id=label.person_id,
            held_by=review.lease.person_id if review.lease else None,
            reviewer_id=review.reviewer_id,
            seconds=review.seconds,
            benchmark_score=review.benchmark_score,
            people_agreement=review.people_agreement,
            opened_at=review.opened_at,
            decided_at=review.decided_at,
            withdrawn=review.withdrawn,
        )


class StatusOut(BaseModel):
    """How many labels of a stage are in each state; ``withdrawn``: wait for their image."""

    counts: dict[str, int]
