"""What the review service does: load, decide, store, emit."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from wakeline_events.base import LabelId, PersonId, ProjectId, TaskId
from wakeline_events.configuration import ProjectDocument, ReviewPolicy
from wakeline_events.labeling import BenchmarkSet, LabelCompleted, ProjectConfigured
from wakeline_events.ontology import problems_in
from wakeline_events.review import LabelAccepted, LabelRejected, LabelSuperseded
from wakeline_events.shapes import AnnotationSet
from wakeline_geometry.shapes import Annotation
from wakeline_messaging import NotYetKnownError
from wakeline_review.domain import triage
from wakeline_review.domain.errors import (
    InvalidAnnotationsError,
    LastRoundError,
    NoReviewAvailableError,
    NoSuchReviewError,
    NotAcceptedError,
    NotOnTeamError,
    OwnLabelError,
    ReviewLeaseExpiredError,
    UnknownStageError,
)
from wakeline_review.domain.records import Review
from wakeline_review.ports import ReviewUnitOfWork

Resolution = Callable[[Review], Review]


async def learn_project(uow: ReviewUnitOfWork, event: ProjectConfigured) -> None:
    """Keep the latest configuration of a project."""
    uow.projects.put(event.project_id, event.version, event.document)
    uow.known(f"project:{event.project_id}")


async def learn_benchmark(uow: ReviewUnitOfWork, event: BenchmarkSet) -> None:
    """Keep a trusted label, to score people with."""
    uow.benchmarks.put(event.stage_id, event.asset_id, event.truth)


async def open_review(uow: ReviewUnitOfWork, event: LabelCompleted) -> None:
    """Open a review, unless the project's policy accepts the label as it is.

    Raises
    ------
    NotYetKnownError
        If the project's configuration has not arrived.
    """
    document = await uow.projects.get(event.project_id)
    if document is None:
        raise NotYetKnownError(f"project:{event.project_id}")
    stage = document.stage(event.stage_id.split("/")[1])
    review = Review(label=event, n_labels=stage.n_labels, state="pending", opened_at=uow.now)
    if await uow.benchmarks.get(event.stage_id, event.asset_id) is not None:
        uow.reviews.put(review.model_copy(update={"state": "scoring"}))
        uow.enqueue("score", event.label_id, {"label_id": event.label_id})
    else:
        await sort(uow, review, stage.review)


async def sort(uow: ReviewUnitOfWork, review: Review, policy: ReviewPolicy) -> None:
    """Send a label to a reviewer, or settle it at once."""
    if not review.label.counts:
        uow.reviews.put(review.model_copy(update={"state": "measured"}))
    elif triage.needs_review(policy, review.id, review.label.arm):
        uow.reviews.put(review.model_copy(update={"state": "pending"}))
    else:
        await settle(uow, review.model_copy(update={"verdict": "unreviewed"}))


async def score(uow: ReviewUnitOfWork, label_id: LabelId, benchmark_score: float) -> None:
    """Store how well a label agrees with the benchmark, and let it go its way."""
    review = await _found(uow, label_id)
    document = await _project(uow, review.label.project_id)
    scored = review.model_copy(update={"benchmark_score": benchmark_score})
    await sort(uow, scored, document.stage(_stage_name(review)).review)


async def settle(uow: ReviewUnitOfWork, review: Review) -> None:
    """Accept a label; once all labels of its task are, exactly one of them counts."""
    settled = review.model_copy(update={"state": "settled", "decided_at": uow.now, "lease": None})
    if review.n_labels == 1:
        uow.reviews.put(settled.model_copy(update={"state": "merged"}))
        uow.emit(accepted(settled, (settled.id,)))
        return
    uow.reviews.put(settled)
    others = [r for r in await uow.reviews.of_task(review.label.task_id) if r.id != review.id]
    ready = [r for r in [*others, settled] if r.state == "settled" and r.label.counts]
    if len(ready) >= review.n_labels:
        uow.enqueue("merge", review.label.task_id, {"task_id": review.label.task_id})


async def merge(uow: ReviewUnitOfWork, task_id: TaskId, best: LabelId) -> None:
    """Let the label that agrees best with the others count for its task."""
    ready = [r for r in await uow.reviews.of_task(task_id) if r.state == "settled"]
    chosen = next((r for r in ready if r.id == best), None)
    if chosen is None:
        return  # merged by an earlier attempt
    for review in ready:
        uow.reviews.put(review.model_copy(update={"state": "merged"}))
    uow.emit(accepted(chosen, tuple(sorted(r.id for r in ready))))


def accepted(review: Review, merged_from: tuple[LabelId, ...]) -> LabelAccepted:
    """The event that says a label counts."""
    label = review.label
    assert review.verdict in ("accepted", "corrected", "unreviewed")
    return LabelAccepted(
        asset_id=label.asset_id,
        label_id=label.label_id,
        merged_from=merged_from,
        project_id=label.project_id,
        stage_id=label.stage_id,
        task_id=label.task_id,
        slot=label.slot,
        round=label.round,
        asset=label.asset,
        arm=label.arm,
        assisted=label.prelabel is not None and label.prelabel.shown,
        verdict=review.verdict,
        reviewer_id=review.reviewer_id,
        annotations=review.final,
        agreement=review.agreement,
        benchmark_score=review.benchmark_score,
    )


async def lease_next(
    uow: ReviewUnitOfWork,
    project_id: ProjectId,
    stage_name: str,
    person_id: PersonId,
    team_id: str | None,
    count: int,
) -> list[Review]:
    """Lease up to ``count`` reviews of a stage; never of the caller's own labels.

    Raises
    ------
    UnknownStageError, NotOnTeamError, NoReviewAvailableError
    """
    document = await _project(uow, project_id)
    policy = _policy_for(document, stage_name, team_id)
    length = timedelta(minutes=policy.lease_minutes)
    leased: list[Review] = []
    while len(leased) < count:
        review = await uow.reviews.lease_next(f"{project_id}/{stage_name}", person_id, length)
        if review is None:
            break
        leased.append(review)
    if not leased:
        raise NoReviewAvailableError(f"nothing to review for you in {project_id}/{stage_name}")
    return leased


async def heartbeat(uow: ReviewUnitOfWork, lease_id: str, person_id: PersonId) -> Review:
    """Keep a lease alive."""
    review = await live(uow, lease_id, person_id)
    document = await _project(uow, review.label.project_id)
    minutes = document.stage(_stage_name(review)).review.lease_minutes
    await uow.reviews.extend(lease_id, person_id, timedelta(minutes=minutes))
    return await live(uow, lease_id, person_id)


async def give_back(uow: ReviewUnitOfWork, lease_id: str, person_id: PersonId) -> None:
    """Return a review to the queue unjudged."""
    if not await uow.reviews.give_back(lease_id, person_id):
        raise ReviewLeaseExpiredError(f"lease {lease_id} is over already")


async def live(uow: ReviewUnitOfWork, lease_id: str, person_id: PersonId) -> Review:
    """The review that a person's live lease is about.

    Raises
    ------
    ReviewLeaseExpiredError
        If the lease is over, or never was this person's.
    """
    review = await uow.reviews.live(lease_id, person_id)
    if review is None:
        raise ReviewLeaseExpiredError(
            "this lease is over: your work is kept as a draft; lease again to go on"
        )
    return review


async def judge(
    uow: ReviewUnitOfWork,
    lease_id: str,
    fence: int,
    person_id: PersonId,
    resolution: Resolution,
) -> Review:
    """Store a reviewer's verdict and what follows from it.

    Raises
    ------
    ReviewLeaseExpiredError
        If the lease is over or its fence is outdated.
    LastRoundError
        If the last round's label is rejected: accept or correct it.
    """
    review = await live(uow, lease_id, person_id)
    if review.fence != fence:
        raise ReviewLeaseExpiredError(f"fence {fence} is outdated: {review.fence} holds now")
    judged = resolution(review).model_copy(update={"reviewer_id": person_id})
    if judged.verdict != "rejected":
        await settle(uow, judged)
        return judged
    document = await _project(uow, review.label.project_id)
    if review.label.round >= document.stage(_stage_name(review)).review.max_rounds:
        raise LastRoundError(f"round {review.label.round} is the last: accept or correct the label")
    rejected = judged.model_copy(update={"state": "rejected", "lease": None, "decided_at": uow.now})
    uow.reviews.put(rejected)
    label = review.label
    uow.emit(
        LabelRejected(
            asset_id=label.asset_id,
            label_id=label.label_id,
            stage_id=label.stage_id,
            task_id=label.task_id,
            slot=label.slot,
            round=label.round,
            reviewer_id=person_id,
        )
    )
    return rejected


async def supersede(
    uow: ReviewUnitOfWork,
    label_id: LabelId,
    person_id: PersonId,
    team_id: str | None,
    annotations: AnnotationSet,
) -> Review:
    """Correct a label that counts already; later dataset versions hold the new annotations.

    Raises
    ------
    NoSuchReviewError, NotOnTeamError, OwnLabelError, NotAcceptedError
    """
    review = await _found(uow, label_id)
    _policy_for(await _project(uow, review.label.project_id), _stage_name(review), team_id)
    if review.label.person_id == person_id:
        raise OwnLabelError(f"label {label_id} is your own: somebody else has to correct it")
    if review.state != "merged":
        raise NotAcceptedError(f"label {label_id} does not count (yet): review it instead")
    corrected = review.model_copy(
        update={"annotations": annotations, "verdict": "corrected", "decided_at": uow.now}
    )
    uow.reviews.put(corrected)
    uow.emit(
        LabelSuperseded(
            asset_id=review.label.asset_id,
            label_id=label_id,
            stage_id=review.label.stage_id,
            task_id=review.label.task_id,
            reviewer_id=person_id,
            annotations=annotations,
        )
    )
    return corrected


def check_annotations(
    review: Review, document: ProjectDocument, annotations: Sequence[Annotation]
) -> None:
    """Refuse corrected annotations that the ontology or the image does not allow.

    Raises
    ------
    InvalidAnnotationsError
        Naming each problem.
    """
    asset = review.label.asset
    problems = problems_in(annotations, document.ontology, width=asset.width, height=asset.height)
    if problems:
        raise InvalidAnnotationsError(problems)


async def _found(uow: ReviewUnitOfWork, label_id: LabelId) -> Review:
    review = await uow.reviews.get(label_id)
    if review is None:
        raise NoSuchReviewError(f"there is no label {label_id} here")
    return review


async def _project(uow: ReviewUnitOfWork, project_id: ProjectId) -> ProjectDocument:
    document = await uow.projects.get(project_id)
    if document is None:
        raise UnknownStageError(f"there is no project {project_id}")
    return document


def _policy_for(document: ProjectDocument, stage_name: str, team_id: str | None) -> ReviewPolicy:
    """A stage's review policy, for somebody of the team that reviews it."""
    try:
        policy = document.stage(stage_name).review
    except KeyError:
        raise UnknownStageError(f"project {document.project} has no stage {stage_name}") from None
    if policy.team is not None and team_id != policy.team:
        raise NotOnTeamError(f"stage {stage_name} is reviewed by the team {policy.team}")
    return policy


def _stage_name(review: Review) -> str:
    return review.label.stage_id.split("/")[1]


def draft_of(verdict: str, annotations: Sequence[Annotation] | None) -> dict[str, Any]:
    """What is kept of a verdict whose lease was over."""
    shapes = [a.model_dump(mode="json") for a in annotations or ()]
    return {"verdict": verdict, "annotations": shapes}
