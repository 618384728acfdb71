"""Events the review service publishes on the topic ``wakeline.review``."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from wakeline_events.base import (
    Asset,
    AssetEvent,
    LabelId,
    PersonId,
    ProjectId,
    ServiceName,
    StageId,
    TaskId,
)
from wakeline_events.labeling import Arm
from wakeline_events.shapes import AnnotationSet
from wakeline_geometry.shapes import Region

Score = Annotated[float, Field(ge=0, le=1)]
Reason = Literal[
    "share",
    "low-agreement",
    "low-prelabel-agreement",
    "low-benchmark-score",
    "new-person",
    "class",
]
"""Why an expert looks at a label: by the share that is drawn; because people disagree; because it
is far from what its person was shown; because its person does badly on benchmarks, or is new to
the stage; because it uses a class whose labels are all looked at."""


class LabelAccepted(AssetEvent):
    """A reviewer, or the project's policy, accepted a label: it may enter a dataset version."""

    TYPE: ClassVar[str] = "label.accepted"
    VERSION: ClassVar[str] = "1.2"
    PRODUCER: ClassVar[ServiceName] = "review"
    label_id: LabelId
    merged_from: tuple[LabelId, ...]
    """The labels of this task round that the accepted one was made from."""
    project_id: ProjectId
    stage_id: StageId
    task_id: TaskId
    slot: int
    round: int
    asset: Asset
    arm: Arm
    assisted: bool
    """Whether its labeler saw a pre-label; a hold-out label must not have."""
    verdict: Literal["accepted", "corrected", "unreviewed"]
    reviewer_id: PersonId | None
    annotations: AnnotationSet
    agreement: Score | None = None
    """Between the label and what the reviewer made of it (1 = identical); None if unreviewed."""
    benchmark_score: Score | None = None
    """Agreement with the benchmark; None if the asset has no benchmark."""
    people_agreement: Score | None = None
    """Mean agreement of every two labels it was made from; None of one label; since 1.1."""
    reasons: tuple[str, ...] = ()
    """Why an expert looked at it, see ``Reason``; since 1.1."""
    focus_regions: tuple[Region, ...] = ()
    """What its task is about: nothing is known outside of these; none: all of it; since 1.2."""


class LabelRejected(AssetEvent):
    """A reviewer sent a label back: its slot opens again."""

    TYPE: ClassVar[str] = "label.rejected"
    PRODUCER: ClassVar[ServiceName] = "review"
    label_id: LabelId
    stage_id: StageId
    task_id: TaskId
    slot: int
    round: int
    reviewer_id: PersonId


class LabelSuperseded(AssetEvent):
    """An accepted label was corrected later: the new annotations count from now on."""

    TYPE: ClassVar[str] = "label.superseded"
    PRODUCER: ClassVar[ServiceName] = "review"
    label_id: LabelId
    stage_id: StageId
    task_id: TaskId
    reviewer_id: PersonId
    annotations: AnnotationSet
