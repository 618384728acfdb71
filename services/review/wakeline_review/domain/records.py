"""What the review service remembers of a label."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from wakeline_events.base import LabelId, PersonId
from wakeline_events.labeling import LabelCompleted
from wakeline_events.review import Reason
from wakeline_events.shapes import AnnotationSet

State = Literal[
    "scoring",
    "gathered",
    "pending",
    "leased",
    "beside",
    "settled",
    "merged",
    "rejected",
    "measured",
    "cancelled",
]
"""To be read by a job first; waits for the other labels of its task; waits for, or is with, a
reviewer; lies beside another label of its task that does; waits likewise, in the words of an
earlier release; counts, or has a part in what counts, for its task; sent back; made only to
measure, so nobody judges it; dropped with its task."""
Verdict = Literal["accepted", "corrected", "rejected", "unreviewed"]


SKIPPED_FOR = timedelta(days=1)
"""So long whoever skipped a review is not given it again: by then everybody else who judges labels
of the stage has been at work, and if nobody else does, it waits for nobody."""
LAST_SCORES = 10
"""So many of a person's last benchmark scores say how they do now."""


class Crew(NamedTuple):
    """Whom somebody works with."""

    team_id: str | None
    internal: bool
    """Known to be in no vendor's team."""


class Standing(BaseModel):
    """What is known of a person in a stage when their next label comes."""

    model_config = ConfigDict(frozen=True)
    stage_id: str
    person_id: str
    labels: int = 0
    """Submitted so far, of those that count."""
    scores: tuple[float, ...] = ()
    """The last benchmark scores, the newest last, each in [0, 1]."""

    @property
    def mean_score(self) -> float:
        """Mean of the last benchmark scores; 1 while there is none."""
        return sum(self.scores) / len(self.scores) if self.scores else 1.0


class ReviewLease(BaseModel):
    """The exclusive, expiring right of one reviewer to one review."""

    model_config = ConfigDict(frozen=True)
    lease_id: str
    """``<label>.<fence>``."""
    person_id: str
    expires_at: datetime


class Skip(BaseModel):
    """Somebody left a review to others."""

    model_config = ConfigDict(frozen=True)
    person_id: PersonId
    until: datetime
    """By the database's clock: from then on they may get it again."""


class Judged(BaseModel):
    """A lease that ended with a verdict."""

    model_config = ConfigDict(frozen=True)
    lease_id: str
    person_id: PersonId
    digest: str
    """Of what the client sent: tells a repeated verdict from another one."""
    label_id: LabelId
    """What became of this label was the answer."""


class Action(BaseModel):
    """A manager ended somebody's leases."""

    model_config = ConfigDict(frozen=True)
    id: str
    """Grows with time."""
    project_id: str
    stage: str | None
    """None: in all stages of the project."""
    person_id: PersonId
    """Whose leases."""
    released: int
    reason: str
    by: PersonId
    asked_at: datetime


class Review(BaseModel):
    """One label on its way to counting; keeps what was submitted and what became of it."""

    model_config = ConfigDict(frozen=True)
    label: LabelCompleted
    n_labels: int
    """How many labels of its task count."""
    state: State
    reasons: tuple[Reason, ...] = ()
    """Why an expert looks at it before it counts."""
    fence: int = 0
    """Grows with each lease; a verdict of an older one is refused."""
    lease: ReviewLease | None = None
    request: str | None = None
    """Names the request that leased it last: sent again, it gets the same lease."""
    reviewers: tuple[PersonId, ...] = ()
    """Everyone who ever leased it, in any order."""
    skips: tuple[Skip, ...] = ()
    judged: Judged | None = None
    """The verdict that the last lease of it ended with."""
    verdict: Verdict | None = None
    reviewer_id: str | None = None
    annotations: AnnotationSet | None = None
    """The final ones, where a reviewer corrected the submitted ones."""
    comment: str | None = None
    seconds: float | None = None
    """Human time of the reviewer, as the client measured it."""
    agreement: float | None = None
    """With what counts in the end, in [0, 1]."""
    benchmark_score: float | None = None
    people_agreement: float | None = None
    """Mean agreement with the other labels of its task, in [0, 1]."""
    members: tuple[tuple[LabelId, PersonId], ...] = ()
    """The labels that are judged with this one, itself included, and who made them."""
    proposed: AnnotationSet | None = None
    """What these labels amount to, for the expert to take or to change."""
    mean_agreement: float | None = None
    """Of every two of them, in [0, 1]."""
    counts_as: LabelId | None = None
    """The label that counts for the task, once one does."""
    opened_at: datetime
    decided_at: datetime | None = None
    withdrawn: bool = False
    """Its image is not to be had: nobody gets it until the image is back."""

    @property
    def id(self) -> str:
        """A review has the id of its label."""
        return self.label.label_id

    @property
    def stage_name(self) -> str:
        """The stage within its project."""
        return self.label.stage_id.partition("/")[2]

    @property
    def final(self) -> AnnotationSet:
        """What counts: the reviewer's version, or else the labeler's."""
        return self.annotations if self.annotations is not None else self.label.annotations


def benchmark_id(stage_id: str, asset_id: str) -> str:
    """Names the trusted label of an asset in a stage."""
    return f"{stage_id}|{asset_id}"
