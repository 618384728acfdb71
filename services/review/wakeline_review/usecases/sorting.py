"""Takes in labels, and decides which of them an expert sees before they count."""

from collections.abc import Collection

from wakeline_events.base import LabelId
from wakeline_events.configuration import ReviewPolicy, StagePolicy
from wakeline_events.labeling import LabelCompleted
from wakeline_events.review import Reason
from wakeline_review.domain import statistics, triage
from wakeline_review.domain.records import Review
from wakeline_review.ports import ReviewUnitOfWork
from wakeline_review.usecases import comparing
from wakeline_review.usecases.finding import known_project, review_of, stage_in, stage_of


async def open_review(uow: ReviewUnitOfWork, event: LabelCompleted) -> None:
    """Open a review, unless the project's policy accepts the label as it is.

    An imported label counts at once: whoever may import has answered for it.

    Raises
    ------
    NotYetKnownError
        If the project's configuration has not arrived.
    UnknownStageError
        If it has, and no version of it had the stage.
    """
    document = await known_project(uow, event.project_id)
    stage = stage_in(document, event.stage_id.split("/")[1])
    review = Review(
        label=event,
        n_labels=triage.labels_of_task(event, stage.n_labels),
        state="scoring",
        reasons=await _of_person(uow, event, stage.review),
        opened_at=uow.now,
        withdrawn=await uow.withdrawals.note(event.asset_id),
    )
    if event.imported:
        comparing.count_alone(uow, review, verdict="unreviewed")
        return
    uow.days.add(event, statistics.of_label(event), statistics.seconds_of(event))
    if event.counts:  # an exam, a benchmark and the half of a pair that measures make nobody known
        uow.standings.count_label(event.stage_id, event.person_id)
    benchmark = await uow.benchmarks.get(event.stage_id, event.asset_id)
    if benchmark is not None or triage.must_be_read(stage.review, event):
        uow.reviews.put(review)
        uow.enqueue("score", event.label_id, {"label_id": event.label_id})
    else:
        await sort(uow, review, stage, triage.inline_classes(event))


async def score(
    uow: ReviewUnitOfWork,
    label_id: LabelId,
    benchmark_score: float | None,
    classes: Collection[str],
) -> None:
    """Store what a job found by reading a label, and let the label go its way.

    Parameters
    ----------
    benchmark_score : in [0, 1]; None if the asset has no trusted label
    classes : those that the label uses
    """
    review = await review_of(uow, label_id)
    if review.state != "scoring":
        return  # by an earlier attempt
    if benchmark_score is not None:
        review = review.model_copy(update={"benchmark_score": benchmark_score})
        label = review.label
        uow.days.add(label, statistics.of_score(benchmark_score))
        uow.standings.add_score(label.stage_id, label.person_id, benchmark_score)
    await sort(uow, review, await stage_of(uow, review), classes)


async def sort(
    uow: ReviewUnitOfWork, review: Review, stage: StagePolicy, classes: Collection[str]
) -> None:
    """Send a label to a reviewer, let it wait for the others of its task, or let it count."""
    if not review.label.counts:
        uow.reviews.put(review.model_copy(update={"state": "measured"}))
        return
    found = {*review.reasons, *triage.reasons(stage.review, review.label, classes)}
    if not found and review.n_labels == 1:
        comparing.count_alone(uow, review, verdict="unreviewed")
        return
    review = review.model_copy(update={"reasons": triage.in_order(found)})
    if review.n_labels > 1:
        await comparing.gather(uow, review)
    else:
        uow.reviews.put(review.model_copy(update={"state": "pending"}))


async def _of_person(
    uow: ReviewUnitOfWork, event: LabelCompleted, policy: ReviewPolicy
) -> tuple[Reason, ...]:
    if not event.counts or not (policy.new_person_labels or policy.min_benchmark_score):
        return ()
    return triage.of_person(policy, await uow.standings.get(event.stage_id, event.person_id))
