"""The queue of slots, as use cases see it."""

from collections.abc import Sequence
from typing import Protocol

from wakeline_labeling.domain.queues import Claim, Queue, Waiting
from wakeline_labeling.domain.records import Slot
from wakeline_labeling.domain.selection import Candidate, Stratum


class RequestRepeatedError(Exception):
    """The request has had its effect already."""


class SeenBeforeError(Exception):
    """The person has had another slot of the same task."""


class SlotQueue(Protocol):
    """Slots, to whoever wants one."""

    async def candidates(
        self, queue: Queue, limit: int, within: Stratum | None = None
    ) -> list[Candidate]:
        """Slots that a person may lease now, in the order of the queue."""

    async def front(self, queue: str, limit: int) -> list[Waiting]:
        """The first slots of a queue, whomever they are for."""

    async def queued(self, queue: str, limit: int = 0) -> int:
        """How many slots of a queue wait, for anybody."""

    async def claim_first(self, claim: Claim) -> Slot | None:
        """Lease the first slot of a queue; at once, in one write. None: there is none any more.

        Raises
        ------
        RequestRepeatedError
            If the claim's request has leased another slot already.
        SeenBeforeError
            If the person has had another slot of the same task; said to the slot too, so that
            the next claim passes it by.
        """

    async def claim_all(self, claims: Sequence[Claim]) -> list[Slot | Exception | None]:
        """Lease the slots that claims name, each of them as ``claim_first`` does."""

    async def waiting_for(self, claim: Claim) -> Slot | None:
        """The slot that a claim names, if it waits and the person may have it."""

    async def claim_own(self, claim: Claim, own: Slot) -> Slot:
        """Lease a person's own slot of a benchmark, which is made if it is not there: one write.

        Raises
        ------
        RequestRepeatedError
            If the claim's request has leased another slot already.
        SeenBeforeError
            If the person has had this slot, or another one of the same task.
        """

    async def had_of(self, own_queue: str, person_id: str) -> set[str]:
        """The tasks of the benchmarks that a person has had and may not have again."""

    async def requested(self, request: str) -> Slot | None:
        """The slot that a request has leased."""

    async def requested_all(self, requests: Sequence[str]) -> list[Slot]:
        """The slots that requests have leased, in the order of the requests."""

    async def exclude_from_siblings(self, slot: Slot, person_id: str) -> None:
        """Say to the other slots of a task that this person has seen it: at once."""
