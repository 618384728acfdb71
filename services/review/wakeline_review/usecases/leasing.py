"""Leases reviews to experts, and what happens while a lease lasts.

A lease is one atomic write of one document and needs no transaction: experts at one queue would
only make each other's transactions fail, each with all the leases that it had taken so far.
"""

import hashlib
import re
from datetime import timedelta
from uuid import uuid4

from wakeline_events.base import PersonId, ProjectId
from wakeline_review.domain.errors import (
    NoReviewAvailableError,
    NoSuchLeaseError,
    ReviewLeaseExpiredError,
)
from wakeline_review.domain.records import SKIPPED_FOR, Action, Review
from wakeline_review.ports import ReviewUnitOfWork
from wakeline_review.usecases.finding import policy_for, project_of, stage_in, stage_of
from wakeline_review.usecases.withdrawing import KeepWithdrawn

FENCE = re.compile("[0-9]{1,9}")


async def lease_next(
    uow: ReviewUnitOfWork,
    keep_withdrawn: KeepWithdrawn,
    project_id: ProjectId,
    stage_name: str,
    person_id: PersonId,
    team_id: str | None,
    count: int,
    key: str | None,
) -> list[Review]:
    """Lease up to ``count`` reviews of a stage; never of the caller's own labels.

    A key that comes again gets what it got and is not over yet, and what it still lacks.

    Raises
    ------
    UnknownStageError, NotOnTeamError, NoReviewAvailableError
    """
    policy = await policy_for(uow, project_id, stage_name, person_id, team_id)
    length = timedelta(minutes=policy.lease_minutes)
    stage_id, key = f"{project_id}/{stage_name}", key or uuid4().hex
    leased: list[Review] = []
    while len(leased) < count:
        named = f"{person_id}\n{stage_id}\n{key}/{len(leased)}"
        request = hashlib.sha256(named.encode()).hexdigest()[:32]
        review = await uow.reviews.lease_next(stage_id, person_id, length, request)
        if review is None:
            break
        if not review.withdrawn and await uow.withdrawals.holds(review.label.asset_id):
            await keep_withdrawn(review.label.asset_id)
            await uow.reviews.give_back(f"{review.id}.{review.fence}", person_id)
            continue
        leased.append(review)
    if not leased:
        raise NoReviewAvailableError(f"nothing to review for you in {stage_id}")
    held = {
        review.id: review for review in await uow.reviews.held(person_id, [r.id for r in leased])
    }
    return [held[review.id] for review in leased if review.id in held]


async def release(
    uow: ReviewUnitOfWork,
    project_id: ProjectId,
    stage_name: str | None,
    person_id: PersonId,
    *,
    by: PersonId,
    reason: str,
) -> int:
    """End a person's leases in a project, or in one stage; how many there were.

    What the person hands in afterwards is refused and kept as a draft.

    Raises
    ------
    UnknownStageError
    """
    document = await project_of(uow, project_id)
    stage = stage_in(document, stage_name).name if stage_name is not None else None
    stage_id = f"{project_id}/{stage}" if stage is not None else None
    released = await uow.reviews.release(project_id, stage_id, person_id)
    uow.actions.put(
        Action(
            id=f"{uow.now:%Y%m%d%H%M%S}-{uuid4().hex[:12]}",
            project_id=project_id,
            stage=stage,
            person_id=person_id,
            released=released,
            reason=reason,
            by=by,
            asked_at=uow.now,
        )
    )
    return released


async def heartbeat(uow: ReviewUnitOfWork, lease_id: str, person_id: PersonId) -> Review:
    """Keep a lease alive.

    Raises
    ------
    NoSuchLeaseError, ReviewLeaseExpiredError
    """
    review = await live(uow, lease_id, person_id)
    minutes = (await stage_of(uow, review)).review.lease_minutes
    await uow.reviews.extend(lease_id, person_id, timedelta(minutes=minutes))
    return await live(uow, lease_id, person_id)


async def give_back(uow: ReviewUnitOfWork, lease_id: str, person_id: PersonId) -> None:
    """Return a review to the queue unjudged.

    Raises
    ------
    NoSuchLeaseError, ReviewLeaseExpiredError
    """
    if not await uow.reviews.give_back(lease_id, person_id):
        raise await why_dead(uow, lease_id, person_id)


async def skip(uow: ReviewUnitOfWork, lease_id: str, person_id: PersonId) -> None:
    """Return a review to the queue for others; who skips it is not given it for a while.

    Raises
    ------
    NoSuchLeaseError, ReviewLeaseExpiredError
    """
    if not await uow.reviews.skip(lease_id, person_id, SKIPPED_FOR):
        raise await why_dead(uow, lease_id, person_id)


async def live(uow: ReviewUnitOfWork, lease_id: str, person_id: PersonId) -> Review:
    """The review that a person's live lease is about.

    Raises
    ------
    NoSuchLeaseError
        If the lease never was this person's.
    ReviewLeaseExpiredError
        If it is over.
    """
    review = await uow.reviews.live(lease_id, person_id)
    if review is None:
        raise await why_dead(uow, lease_id, person_id)
    return review


async def why_dead(
    uow: ReviewUnitOfWork, lease_id: str, person_id: PersonId
) -> NoSuchLeaseError | ReviewLeaseExpiredError:
    """Why a lease does not live, in the words of the one who held it."""
    label_id, _, fence = lease_id.rpartition(".")
    review = await uow.reviews.get(label_id)
    given = FENCE.fullmatch(fence) is not None and int(fence) > 0
    if review is None or not given or int(fence) > review.fence:
        return NoSuchLeaseError(f"you have no lease {lease_id!r}")
    # The release before did not write down who had it: whose it was then is not known.
    holder = review.lease.person_id if review.lease else None
    if review.reviewers and person_id not in (*review.reviewers, holder):
        return NoSuchLeaseError(f"you have no lease {lease_id!r}")
    return ReviewLeaseExpiredError(
        f"lease {lease_id} is over: its time ran out, it was given back, or it ended with a "
        "verdict; lease again to go on"
    )
