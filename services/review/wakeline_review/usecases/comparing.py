"""Brings the labels of one task together: exactly one of them counts in the end."""

from collections.abc import Sequence
from typing import Any

from wakeline_events.base import TaskId
from wakeline_events.labeling import TaskClosed
from wakeline_events.review import LabelAccepted
from wakeline_events.shapes import AnnotationSet
from wakeline_review.domain import rounds, statistics, triage
from wakeline_review.domain.records import Review
from wakeline_review.domain.rounds import Comparison
from wakeline_review.ports import ReviewUnitOfWork
from wakeline_review.usecases.finding import after_those_that_wait, stage_of


async def gather(uow: ReviewUnitOfWork, review: Review) -> None:
    """Let a label wait for the others of its task; the last one has them compared."""
    uow.reviews.put(review.model_copy(update={"state": "gathered", "lease": None}))
    if rounds.complete(await uow.reviews.of_task(review.label.task_id)):
        uow.enqueue("merge", review.label.task_id, {"task_id": review.label.task_id})


async def take_comparison(
    uow: ReviewUnitOfWork, task_id: TaskId, comparison: Comparison, proposed: AnnotationSet
) -> None:
    """Let the labels of a task count as one, or lay them before an expert side by side."""
    gathered = rounds.gathered(await uow.reviews.of_task(task_id))
    if {review.id for review in gathered} != set(comparison.agreements):
        return  # taken by an earlier attempt
    for review in gathered:
        if review.people_agreement is None:
            mean = comparison.agreements[review.id]
            uow.days.add(review.label, statistics.of_peers(mean))
    members = [
        review.model_copy(update={"people_agreement": comparison.agreements[review.id]})
        for review in gathered
    ]
    stage = await stage_of(uow, members[0])
    reasons = {reason for member in members for reason in member.reasons}
    if comparison.undecided or comparison.mean < stage.consensus.min_agreement:
        reasons.add("low-agreement")
    leader = next(member for member in members if member.id == comparison.best)
    leader = leader.model_copy(
        update={
            "members": tuple((member.id, member.label.person_id) for member in members),
            "proposed": proposed,
            "mean_agreement": comparison.mean,
            "reasons": triage.in_order(reasons),
        }
    )
    if not reasons:
        settled = leader.model_copy(update={"verdict": "unreviewed"})
        count_together(uow, settled, members, proposed)
        return
    for member in members:
        uow.reviews.put(member.model_copy(update={"state": "beside"}))
    uow.reviews.put(leader.model_copy(update={"state": "pending"}))


async def drop(uow: ReviewUnitOfWork, event: TaskClosed) -> None:
    """Let the labels of a cancelled task that do not count yet never count.

    Raises
    ------
    NotYetKnownError
        If the project's configuration has not arrived, or a label of the asset waits for it.
    """
    await after_those_that_wait(uow, event.stage_id.partition("/")[0])
    for review in await uow.reviews.of_task(event.task_id):
        if review.state not in rounds.DECIDED:
            changes = {"state": "cancelled", "lease": None, "decided_at": uow.now}
            uow.reviews.put(review.model_copy(update=changes))


def count_alone(uow: ReviewUnitOfWork, review: Review, **said: Any) -> None:
    """Let the only label of a task count, with what was ``said`` of it at last."""
    changes = {"state": "merged", "decided_at": uow.now, "lease": None, "counts_as": review.id}
    settled = review.model_copy(update=said | changes)
    uow.reviews.put(settled)
    _note_verdict(uow, settled)
    uow.emit(accepted(settled, [settled]))


def count_together(
    uow: ReviewUnitOfWork,
    chosen: Review,
    members: Sequence[Review],
    final: AnnotationSet,
) -> None:
    """Let one of a task's labels count for all of them, with these annotations."""
    changes = {
        "state": "merged",
        "verdict": chosen.verdict,
        "reviewer_id": chosen.reviewer_id,
        "comment": chosen.comment,
        "decided_at": uow.now,
        "lease": None,
        "counts_as": chosen.id,
    }
    for member in members:
        merged = member.model_copy(update=changes)
        uow.reviews.put(merged)
        _note_verdict(uow, merged)
    kept = chosen.model_copy(update=changes | {"annotations": final})
    uow.reviews.put(kept)
    uow.emit(accepted(kept, members))


def accepted(review: Review, members: Sequence[Review]) -> LabelAccepted:
    """The event that says a label counts."""
    label = review.label
    assert review.verdict in ("accepted", "corrected", "unreviewed")
    return LabelAccepted(
        asset_id=label.asset_id,
        label_id=label.label_id,
        merged_from=tuple(sorted(member.id for member in members)),
        project_id=label.project_id,
        stage_id=label.stage_id,
        task_id=label.task_id,
        slot=label.slot,
        round=label.round,
        asset=label.asset,
        arm=label.arm,
        assisted=any(m.label.prelabel is not None and m.label.prelabel.shown for m in members),
        verdict=review.verdict,
        reviewer_id=review.reviewer_id,
        annotations=review.final,
        agreement=review.agreement,
        benchmark_score=review.benchmark_score,
        people_agreement=review.mean_agreement,
        reasons=review.reasons,
        focus_regions=label.focus_regions,
    )


def _note_verdict(uow: ReviewUnitOfWork, review: Review) -> None:
    assert review.verdict is not None
    if review.label.imported:
        return  # nobody's work
    uow.days.add(review.label, statistics.of_verdict(review.verdict))
