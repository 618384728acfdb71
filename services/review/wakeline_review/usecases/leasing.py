"""Leases reviews to experts, and what happens while a lease lasts."""

from datetime import timedelta

from wakeline_events.base import PersonId, ProjectId
from wakeline_review.domain.errors import NoReviewAvailableError, ReviewLeaseExpiredError
from wakeline_review.domain.records import Review
from wakeline_review.ports import ReviewUnitOfWork
from wakeline_review.usecases.finding import policy_for, project_of, stage_of


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
    document = await project_of(uow, project_id)
    policy = policy_for(document, stage_name, team_id)
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
    """Keep a lease alive.

    Raises
    ------
    ReviewLeaseExpiredError
    """
    review = await live(uow, lease_id, person_id)
    minutes = (await stage_of(uow, review)).review.lease_minutes
    await uow.reviews.extend(lease_id, person_id, timedelta(minutes=minutes))
    return await live(uow, lease_id, person_id)


async def give_back(uow: ReviewUnitOfWork, lease_id: str, person_id: PersonId) -> None:
    """Return a review to the queue unjudged.

    Raises
    ------
    ReviewLeaseExpiredError
    """
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
