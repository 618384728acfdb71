"""An expert's verdict: on one label, or on all labels of a task at once."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from wakeline_events.base import LabelId, PersonId
from wakeline_events.configuration import ProjectDocument
from wakeline_events.ontology import problems_in
from wakeline_events.review import LabelRejected, LabelSuperseded
from wakeline_events.shapes import AnnotationSet
from wakeline_geometry.shapes import Annotation
from wakeline_review.domain import statistics
from wakeline_review.domain.errors import (
    AlreadyJudgedError,
    InvalidAnnotationsError,
    InvalidVerdictError,
    LastRoundError,
    NotAcceptedError,
    OwnLabelError,
    ReviewLeaseExpiredError,
)
from wakeline_review.domain.records import Judged, Review
from wakeline_review.ports import ReviewUnitOfWork
from wakeline_review.usecases import comparing
from wakeline_review.usecases.finding import policy_for, review_of, stage_of
from wakeline_review.usecases.leasing import live


class Judgement(NamedTuple):
    """What an expert says."""

    verdict: Literal["accepted", "corrected", "rejected"]
    labels: tuple[LabelId, ...] = ()
    """Accepted: the one that counts as it is; rejected: those sent back. None: what the lease
    proposes, or the one label that it is about."""
    annotations: AnnotationSet | None = None
    """What counts, if it is corrected."""
    agreements: Mapping[LabelId, float] = {}
    """Of each label with what counts, in [0, 1]."""
    comment: str | None = None
    seconds: float | None = None
    digest: str = ""
    """Of what the client sent, see ``digest_of``."""


def digest_of(
    verdict: str, labels: Sequence[LabelId], annotations: Sequence[Annotation] | None
) -> str:
    """Tells a verdict that is sent again from another one; comment and time may differ."""
    said = [verdict, sorted(labels), draft_of(verdict, annotations)["annotations"]]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


async def judge(
    uow: ReviewUnitOfWork, lease_id: str, fence: int, person_id: PersonId, judgement: Judgement
) -> Review:
    """Store a reviewer's verdict and what follows from it; the same one again is told again.

    Raises
    ------
    AlreadyJudgedError
        If the lease ended with another verdict of this person.
    NoSuchLeaseError
        If the lease never was this person's.
    ReviewLeaseExpiredError
        If it is over or its fence is outdated.
    InvalidVerdictError
        If it names labels that the lease is not about, or does not name those to send back.
    LastRoundError
        If the last round's label is rejected: accept or correct it.
    """
    before = await _judged(uow, lease_id, person_id, judgement)
    if before is not None:
        return before
    review = await live(uow, lease_id, person_id)
    if review.fence != fence:
        raise ReviewLeaseExpiredError(f"fence {fence} is outdated: {review.fence} holds now")
    said = {
        "verdict": judgement.verdict,
        "reviewer_id": person_id,
        "comment": judgement.comment,
        "seconds": judgement.seconds,
    }
    members = await members_of(uow, review)
    named = _named(judgement, members)
    ended = Judged(
        lease_id=lease_id,
        person_id=person_id,
        digest=judgement.digest,
        label_id=named[0] if named else review.id,
    )
    review = review.model_copy(update={"judged": ended})
    members = [review if member.id == review.id else member for member in members]
    uow.drafts.delete(review.id, person_id)
    if judgement.verdict == "rejected":
        return await _send_back(uow, review, members, named, said)
    judged = [
        member.model_copy(update={"agreement": judgement.agreements.get(member.id)})
        for member in members
    ]
    if len(judged) == 1:
        (only,) = judged
        only = only.model_copy(update={**said, "annotations": judgement.annotations})
        if only.n_labels > 1:  # as earlier releases had each label judged by itself
            await comparing.gather(uow, only)
        else:
            comparing.count_alone(uow, only)
        return await review_of(uow, only.id)
    chosen = next(m for m in judged if m.id == (named[0] if named else review.id))
    of_round = review.model_dump(include={"reasons", "members", "mean_agreement"})
    final = judgement.annotations or (chosen.final if named else review.proposed)
    assert final is not None
    chosen = chosen.model_copy(update={**said, **of_round})
    comparing.count_together(uow, chosen, judged, final)
    return await review_of(uow, chosen.id)


async def _judged(
    uow: ReviewUnitOfWork, lease_id: str, person_id: PersonId, judgement: Judgement
) -> Review | None:
    """What became of the label, if the lease ended with this very verdict."""
    review = await uow.reviews.get(lease_id.rpartition(".")[0])
    judged = review.judged if review is not None else None
    if judged is None or (judged.lease_id, judged.person_id) != (lease_id, person_id):
        return None
    if judged.digest != judgement.digest:
        raise AlreadyJudgedError(
            f"this lease ended with another verdict of yours on label {judged.label_id}; "
            "a change of what counts now is a correction"
        )
    return await review_of(uow, judged.label_id)


async def members_of(uow: ReviewUnitOfWork, review: Review) -> list[Review]:
    """The labels that a lease is about: one, or all of its task's round."""
    if not review.members:
        return [review]
    return [await review_of(uow, label_id) for label_id, _ in review.members]


async def _send_back(
    uow: ReviewUnitOfWork,
    review: Review,
    members: Sequence[Review],
    named: Sequence[LabelId],
    said: Mapping[str, Any],
) -> Review:
    """Open the next round of the rejected labels' slots; the others wait for them."""
    last = (await stage_of(uow, review)).review.max_rounds
    wanted = set(named) or {review.id}
    alone = {"lease": None, "members": (), "proposed": None, "mean_agreement": None}
    for member in members:
        if member.id not in wanted:
            uow.reviews.put(member.model_copy(update={**alone, "state": "gathered"}))
            continue
        label = member.label
        if label.round >= last:
            raise LastRoundError(
                f"round {label.round} of label {label.label_id} is the last: accept or correct it"
            )
        rejected = {**alone, **said, "state": "rejected", "decided_at": uow.now}
        uow.reviews.put(member.model_copy(update=rejected))
        uow.days.add(label, statistics.of_verdict("rejected"))
        uow.emit(
            LabelRejected(
                asset_id=label.asset_id,
                label_id=label.label_id,
                stage_id=label.stage_id,
                task_id=label.task_id,
                slot=label.slot,
                round=label.round,
                reviewer_id=said["reviewer_id"],
            )
        )
    return await review_of(uow, named[0] if named else review.id)


def _named(judgement: Judgement, members: Sequence[Review]) -> tuple[LabelId, ...]:
    """The labels that a verdict names, if it may.

    Raises
    ------
    InvalidVerdictError
    """
    there = {member.id for member in members}
    if unknown := set(judgement.labels) - there:
        raise InvalidVerdictError(
            f"this lease is not about {', '.join(sorted(unknown))}; it is about "
            f"{', '.join(sorted(there))}"
        )
    if judgement.verdict == "rejected" and len(there) > 1 and not judgement.labels:
        raise InvalidVerdictError(
            "several labels are judged at once: name those to send back in `labels`"
        )
    if judgement.verdict == "accepted" and len(judgement.labels) > 1:
        raise InvalidVerdictError(
            "one label can count as it is: name it alone in `labels`, or none for the proposal"
        )
    return () if judgement.verdict == "corrected" else judgement.labels


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
    review = await review_of(uow, label_id)
    await policy_for(uow, review.label.project_id, review.stage_name, person_id, team_id)
    if person_id in {review.label.person_id, *(person for _, person in review.members)}:
        raise OwnLabelError(f"label {label_id} is your own: somebody else has to correct it")
    if review.state != "merged":
        raise NotAcceptedError(f"label {label_id} does not count (yet): review it instead")
    if review.counts_as not in (None, label_id):
        raise NotAcceptedError(f"label {review.counts_as} counts for its task: correct that one")
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


def refuse_contradiction(verdict: str, annotations: Sequence[Annotation] | None) -> None:
    """Refuse a correction that says nothing, and annotations that nothing would be done with.

    Raises
    ------
    InvalidVerdictError
    """
    if verdict == "correct" and annotations is None:
        raise InvalidVerdictError(
            "`correct` needs `annotations`, the whole corrected label: [] says that nothing is "
            "there, and `accept` lets the label count as it is"
        )
    if verdict != "correct" and annotations is not None:
        raise InvalidVerdictError(
            f"`annotations` would be lost with `{verdict}`: send them with `correct`, or none"
        )


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


def draft_of(verdict: str, annotations: Sequence[Annotation] | None) -> dict[str, Any]:
    """What is kept of a verdict whose lease was over."""
    shapes = [a.model_dump(mode="json") for a in annotations or ()]
    return {"verdict": verdict, "annotations": shapes}
