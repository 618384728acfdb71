"""Who makes a rejected label again."""

from datetime import timedelta

from wakeline_events.configuration import ReviewPolicy
from wakeline_labeling.domain.records import Reservation

SAME_PERSON_FOR = timedelta(minutes=10)
"""So long a rejected label waits for the one who made it."""
EXPERT_FOR = timedelta(minutes=15)
"""So long the last round waits for an expert, before anybody may make it."""


def reservation(
    policy: ReviewPolicy, next_round: int, person_id: str, *, experts: int, member: bool
) -> Reservation | None:
    """Whom the next round is kept for; ``until`` is filled in by the database's clock.

    The last round is an expert's, if the stage has any; an earlier one goes back to its labeler
    if they are still there. None: to whoever comes next.

    Parameters
    ----------
    experts : how many members of the stage's teams are reviewers
    member : whether the labeler is still in the stage's team, as far as is known
    """
    if next_round >= policy.max_rounds:
        return Reservation(expert=True) if experts else None
    return Reservation(person_id=person_id) if member else None


def kept_for(reservation: Reservation) -> timedelta:
    """How long a reservation holds."""
    return EXPERT_FOR if reservation.expert else SAME_PERSON_FOR
