"""What the review service remembers of a label."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from wakeline_events.labeling import LabelCompleted
from wakeline_events.shapes import AnnotationSet

State = Literal["scoring", "pending", "leased", "settled", "merged", "rejected", "measured"]
"""To be compared with the benchmark; waits for, or is with, a reviewer; accepted as far as this
label goes; accepted for its task; sent back; made only to measure, so nobody judges it."""
Verdict = Literal["accepted", "corrected", "rejected", "unreviewed"]


class ReviewLease(BaseModel):
    """The exclusive, expiring right of one reviewer to one review."""

    model_config = ConfigDict(frozen=True)
    lease_id: str
    """``<label>.<fence>``."""
    person_id: str
    expires_at: datetime


class Review(BaseModel):
    """One label on its way to counting; keeps what was submitted and what became of it."""

    model_config = ConfigDict(frozen=True)
    label: LabelCompleted
    n_labels: int
    """How many labels of its task count."""
    state: State
    fence: int = 0
    """Grows with each lease; a verdict of an older one is refused."""
    lease: ReviewLease | None = None
    verdict: Verdict | None = None
    reviewer_id: str | None = None
    annotations: AnnotationSet | None = None
    """The final ones, where a reviewer corrected the submitted ones."""
    comment: str | None = None
    seconds: float | None = None
    """Human time of the reviewer, as the client measured it."""
    agreement: float | None = None
    benchmark_score: float | None = None
    opened_at: datetime
    decided_at: datetime | None = None

    @property
    def id(self) -> str:
        """A review has the id of its label."""
        return self.label.label_id

    @property
    def final(self) -> AnnotationSet:
        """What counts: the reviewer's version, or else the labeler's."""
        return self.annotations if self.annotations is not None else self.label.annotations
