"""What managers look at and change, as use cases see it."""

from collections.abc import Collection, Sequence
from typing import Protocol

from wakeline_labeling.domain.records import Slot, Task
from wakeline_labeling.domain.steering import Action, TaskFilter


class TaskSearch(Protocol):
    """Tasks by what is asked for."""

    async def page(
        self, project_id: str, wanted: TaskFilter, after: str, limit: int
    ) -> tuple[list[Task], str | None]:
        """Tasks by id, from after this one on, and after which the next page begins."""

    async def those(
        self, project_id: str, wanted: TaskFilter, task_ids: Collection[str]
    ) -> list[Task]:
        """Those of some tasks that are asked for, by id."""

    async def slots_of(self, task_ids: Sequence[str]) -> dict[str, list[Slot]]:
        """The slots of tasks, by number."""


class Actions(Protocol):
    """What was asked to be done with many tasks."""

    async def get(self, action_id: str) -> Action | None:
        """One action."""

    async def page(self, project_id: str, before: str | None, limit: int) -> list[Action]:
        """Actions of a project, the newest first, from before this one on."""

    def put(self, action: Action) -> None:
        """Store an action."""


class Steering(Protocol):
    """Changes of tasks and slots that are no step of a lease."""

    def prioritise(self, task_id: str, priority: int, ahead_if_rework: int) -> None:
        """Put a task and its slots elsewhere in the queue."""

    def reserve(self, slot_id: str, person_id: str, minutes: float) -> None:
        """Keep a queued slot for one person."""

    def end_lease(self, slot: Slot, state: str) -> None:
        """End a slot's lease, whoever holds it."""

    def cancel(self, task_id: str) -> None:
        """Let nobody work on a task any more."""

    def reopen(self, task_id: str, remade: Sequence[str]) -> None:
        """Say that a cancelled task is open, and which of its labels are made anew."""

    def queue_again(self, slot: Slot, state: str, round: int) -> None:
        """Let a slot of a cancelled task be wanted again."""
