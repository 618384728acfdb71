"""What this service can say again of its state: labels that count, as they are now."""

from wakeline_events.base import AssetId
from wakeline_events.review import LabelAccepted
from wakeline_review.ports import ReviewUnitOfWork
from wakeline_review.usecases.comparing import accepted


async def labels(
    uow: ReviewUnitOfWork, key: AssetId | None, after: str, limit: int
) -> list[tuple[str, LabelAccepted]]:
    """A page of labels that count; a later correction is part of what is said."""
    said: list[tuple[str, LabelAccepted]] = []
    for review in await uow.reviews.counting(key, after, limit):
        members = [review]
        if review.counts_as is not None:
            of_task = await uow.reviews.of_task(review.label.task_id)
            members = [one for one in of_task if one.counts_as == review.id]
        said.append((review.id, accepted(review, members)))
    return said


STATES = {LabelAccepted.TYPE: labels}
