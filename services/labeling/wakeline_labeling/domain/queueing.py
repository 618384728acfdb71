"""Where a slot stands in its queue."""

from datetime import datetime

from wakeline_labeling.domain.records import Order

HOLDOUT_AHEAD = 100
"""Hold-out tasks go first, so that the first dataset version has a hold-out to speak of."""
REWORK_AHEAD = 200
"""What was sent back goes before anything new: its labeler still remembers it."""
UNKNOWN_RANK = 2.0
"""A task that no predictor has answered for stands behind every one that has an uncertainty."""


def priority_of(project_priority: int, *, holdout: bool) -> int:
    """The priority of a task: the project's, 0 to 100, and a step above it for hold-out."""
    return project_priority + (HOLDOUT_AHEAD if holdout else 0)


def plain_priority(priority: int, *, holdout: bool) -> int:
    """The priority of a task without the step that hold-out tasks are ahead."""
    return priority - (HOLDOUT_AHEAD if holdout else 0)


def rank_of(order: Order, uncertainty: float | None, draw: float, opened_at: datetime) -> float:
    """The place below the priority; the lowest is next.

    Parameters
    ----------
    uncertainty : in [0, 1]; None while no predictor has answered
    draw : the slot's fixed number in [0, 1)
    """
    if order == "random":
        return draw
    if order == "fifo":
        return opened_at.timestamp()
    return UNKNOWN_RANK if uncertainty is None else 1.0 - uncertainty
