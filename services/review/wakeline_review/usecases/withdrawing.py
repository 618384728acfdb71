"""Lets reviews of an image that is not to be had wait, and go on once it is back.

Nothing else becomes of them: leases that are out, verdicts and cancelled tasks change a withdrawn
review as they would any other, and labels that no expert has to look at count.
"""

from collections.abc import Awaitable, Callable

from wakeline_events.base import AssetId
from wakeline_review.ports import ReviewUnitOfWork

KeepWithdrawn = Callable[[AssetId], Awaitable[None]]
"""Does ``keep_withdrawn`` in a transaction of its own."""


def withdraw(uow: ReviewUnitOfWork, asset_id: AssetId) -> None:
    """Let nobody begin to judge what they cannot see; who has it on a screen may finish."""
    uow.withdrawals.add(asset_id)
    uow.reviews.put_withdrawn(asset_id, withdrawn=True)


def restore(uow: ReviewUnitOfWork, asset_id: AssetId) -> None:
    """Let the reviews of an image go on where they were."""
    uow.withdrawals.remove(asset_id)
    uow.reviews.put_withdrawn(asset_id, withdrawn=False)


async def keep_withdrawn(uow: ReviewUnitOfWork, asset_id: AssetId) -> None:
    """Withdraw a review that came while its image was withdrawn, if that is still so.

    Of two such transactions neither sees what the other one writes. All reviewed images would need
    a document to make them conflict; instead whoever leases a review looks at its image once more.
    """
    if await uow.withdrawals.note(asset_id):
        uow.reviews.put_withdrawn(asset_id, withdrawn=True)
