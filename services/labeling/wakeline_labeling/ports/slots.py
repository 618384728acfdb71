"""Slots and their leases, as use cases see them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from wakeline_labeling.domain.names import LeaseName
from wakeline_labeling.domain.records import Answer, Order, Reservation, Slot


class Slots(Protocol):
    """Slots. What is said of time here is said by the database's clock."""

    async def get(self, slot_id: str) -> Slot | None:
        """One slot."""

    async def of_task(self, task_id: str) -> list[Slot]:
        """All slots of a task, by number."""

    async def of_tasks(self, task_ids: Collection[str]) -> dict[str, list[Slot]]:
        """The slots that tasks were opened with, by task and number."""

    async def of_person(self, task_id: str, person_id: str) -> Slot | None:
        """The slot of a task that a person has, or had, a lease of."""

    async def live(self, name: LeaseName) -> Slot | None:
        """The slot, if the lease lives."""

    async def leased_by(self, person_id: str) -> list[Slot]:
        """All slots whose lease a person holds."""

    async def extend(self, name: LeaseName, by: timedelta) -> datetime | None:
        """Let a living lease last so long from now on; when it ends, or None if it is dead."""

    async def submit(
        self, slot_ids: Sequence[str], leases: Sequence[LeaseName]
    ) -> list[Slot | None]:
        """End living leases, each of one of the slots, by their labels; None if dead."""

    async def release(self, name: LeaseName, *, exclude: bool) -> Slot | None:
        """End a living lease without a label; None if it is dead."""

    async def mark_draft(self, name: LeaseName) -> Slot | None:
        """Note that a living lease has a draft; None if it is dead."""

    async def expired(self, limit: int) -> list[Slot]:
        """Slots whose lease is over."""

    async def to_request(self, stage_id: str, epoch: int, limit: int) -> list[Slot]:
        """Queued slots, next ones first, that have no answer of an epoch and were not asked for."""

    async def count_fresh(self, stage_id: str, epoch: int, limit: int) -> int:
        """How many queued slots have an answer of an epoch, counted up to a limit."""

    async def tally(self, stage_id: str) -> list[Mapping[str, Any]]:
        """``state``, ``arm``, ``epoch`` and ``n`` of all slots of a stage."""

    async def count_unsuitable(self, stage_id: str, people: Collection[str]) -> int:
        """How many queued slots none of these people may lease."""

    def add(self, slot: Slot) -> None:
        """Store a new slot."""

    def replace_untouched(self, slot: Slot) -> None:
        """Store a slot that is decided anew, if it is ``Slot.untouched``."""

    def replace_unleased(self, slot: Slot) -> None:
        """Store a changed slot that no person ever leased; it may have been labeled elsewhere."""

    def remove_untouched(self, slot_id: str) -> None:
        """Remove a slot, if it is ``Slot.untouched``."""

    def answer(self, task_id: str, answer: Answer) -> None:
        """Note what predictors say of a task, unless a later epoch has spoken."""

    def unhold(self, task_id: str, seen_by: str) -> None:
        """Queue the held slots of a task for anybody but this person."""

    def expire(self, slot: Slot) -> None:
        """Put a slot whose lease is over back into its queue."""

    def reopen(
        self,
        slot_id: str,
        round: int,
        label_id: str,
        reserved: Reservation | None,
        kept_for: timedelta,
        ahead: int,
    ) -> None:
        """Queue a submitted slot of this round for the next one."""

    def finish(self, task_id: str) -> None:
        """Say that the submitted slots of a task want nothing more."""

    def note_drafts(self, slot_id: str, person_id: str) -> None:
        """Note that a person has a draft of a slot."""

    def note_requested(self, slot_ids: Collection[str], epoch: int) -> None:
        """Note that pre-labels of an epoch were asked for."""

    async def page_of_ids(self, stage_id: str, after: str, limit: int) -> list[str]:
        """Ids of a stage's slots, from after this one on."""

    def reorder(self, slot_ids: Collection[str], order: Order) -> None:
        """Give slots the rank that another order of their queue gives them."""

    def withdraw(self, task_id: str) -> None:
        """Put the slots of a task where nobody leases them, if they are not there."""

    def restore(self, task_id: str) -> None:
        """Put the slots of a task back into their queues."""
