"""What managers do with tasks beside the queue's own order: find them, and steer many at once."""

from datetime import datetime
from typing import Literal

from wakeline_labeling.domain import queueing
from wakeline_labeling.domain.records import Record, Slot, Task

Kind = Literal["prioritise", "reserve", "release", "cancel", "reopen"]
"""Put somewhere else in the queue; keep for one person for a while; end the leases that are out;
let nobody work on them any more; undo that."""
AT_ONCE = 1_000
"""Tasks that one transaction steers; more go step by step, in a job."""
STEP = 200
"""Tasks that one step of a job steers: its leases wait for no longer than that takes."""


class TaskFilter(Record):
    """Which tasks of a project are meant; what is None plays no part."""

    stage_id: str | None = None
    state: Literal["open", "accepted", "closed", "cancelled"] | None = None
    asset_id: str | None = None
    person_id: str | None = None
    """Who made a label of it."""
    team_id: str | None = None
    """Whose people made a label of it."""
    held_by: str | None = None
    """Who holds a lease of it now."""
    class_name: str | None = None
    """A class that a label of it uses, as it was submitted."""
    agreement_below: float | None = None
    """Mean agreement of the people who made its labels, in [0, 1]."""
    priority_from: int | None = None
    opened_before: datetime | None = None
    opened_after: datetime | None = None

    @property
    def asks_for_labels(self) -> bool:
        """Whether labels have to be looked at."""
        return any((self.person_id, self.team_id, self.class_name))


class Steering(Record):
    """What is to be done with tasks."""

    kind: Kind
    priority: int | None = None
    """0 to 100, with ``prioritise``."""
    person_id: str | None = None
    """Whom a task is kept for, with ``reserve``."""
    minutes: float = 60
    """So long it is kept."""


class Action(Record):
    """One request to steer many tasks, how far it is, and who asked for it."""

    id: str
    project_id: str
    steering: Steering
    filter: TaskFilter | None
    reason: str
    by: str
    asked_at: datetime
    state: Literal["running", "done"] = "running"
    after: str = ""
    """The last task that was looked at."""
    changed: int = 0
    unchanged: dict[str, int] = {}
    """Why tasks stayed as they are -> how many."""
    ended_at: datetime | None = None

    def with_step(self, changed: int, unchanged: dict[str, int], after: str) -> "Action":
        """After some more tasks."""
        reasons = {
            reason: self.unchanged.get(reason, 0) + unchanged.get(reason, 0)
            for reason in sorted({*self.unchanged, *unchanged})
        }
        return self.model_copy(
            update={"changed": self.changed + changed, "unchanged": reasons, "after": after}
        )


def refusal(steering: Steering, task: Task, slots: list[Slot]) -> str | None:
    """Why a task is left as it is, as a stable code; None if it is steered."""
    if task.arm == "benchmark":
        return "benchmark"  # it scores people and is never used up
    if steering.kind == "reopen":
        return None if task.state == "cancelled" else "not-cancelled"
    if task.state != "open":
        return f"already-{task.state}"
    if steering.kind == "release" and not any(slot.state == "leased" for slot in slots):
        return "not-leased"
    if steering.kind == "reserve" and free_for(slots, steering.person_id or "") is None:
        return "not-free-for-this-person"
    plain = queueing.plain_priority(task.priority, holdout=task.holdout)
    if steering.kind == "prioritise" and steering.priority == plain:
        return "has-this-priority"
    return None


def free_for(slots: list[Slot], person_id: str) -> Slot | None:
    """The first slot of a task that waits and that a person may have; each has one at most."""
    if any(person_id in slot.people and slot.state != "queued" for slot in slots):
        return None
    ordinary = (slot for slot in slots if slot.arm != "benchmark" and slot.state == "queued")
    return next((slot for slot in ordinary if person_id not in slot.excluded), None)
