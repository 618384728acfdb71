"""Who asks a queue for what."""

from datetime import timedelta
from typing import NamedTuple


class Labeler(NamedTuple):
    """The person who leases."""

    person_id: str
    team_id: str | None
    expert: bool
    """A reviewer: may make the last round of a label that was rejected."""
    only_expert: bool = False
    """A reviewer who is no member of the stage's team: nothing else is for them."""


class Queue(NamedTuple):
    """A queue as one person sees it."""

    name: str
    labeler: Labeler


class Claim(NamedTuple):
    """One attempt to lease a slot."""

    queue: Queue
    slot_id: str | None
    """None: the first of the queue."""
    probability: float
    """``p_selected`` of this pick."""
    lasts: timedelta
    request: str | None
    """Names the claim: a request that comes again gets the slot that it got."""
