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


class Waiting(NamedTuple):
    """A slot at the front of a queue, and what says whom it is for."""

    slot_id: str
    excluded: frozenset[str]
    reserved_for: str | None
    """The person it is kept for at the moment."""
    for_experts: bool
    """Kept for any reviewer."""

    def is_for(self, labeler: Labeler) -> bool:
        """Whether a person may be given it."""
        if labeler.person_id in self.excluded:
            return False
        kept = self.for_experts or self.reserved_for is not None
        theirs = self.reserved_for == labeler.person_id or (self.for_experts and labeler.expert)
        return theirs or not kept


class Claim(NamedTuple):
    """One attempt to lease a slot."""

    queue: Queue
    slot_id: str | None
    """None: the first of the queue."""
    probability: float
    """``p_selected`` of this pick."""
    lasts: timedelta
    request: str
    """Names the claim: a request that comes again gets the slot that it got."""
