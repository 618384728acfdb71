"""Finds tasks for managers, and does with many of them what a manager says."""

from collections import Counter
from collections.abc import Mapping, Sequence

from wakeline_events.labeling import LeaseEnded, TaskClosed, TaskOpened
from wakeline_labeling.domain import names, queueing, steering
from wakeline_labeling.domain.errors import (
    InvalidActionError,
    NoSuchActionError,
    NoSuchPersonError,
)
from wakeline_labeling.domain.records import Project, Slot, Task
from wakeline_labeling.domain.steering import Action, Steering, TaskFilter
from wakeline_labeling.ports import UnitOfWork


async def search(
    uow: UnitOfWork, project: Project, wanted: TaskFilter, after: str, limit: int
) -> tuple[list[Task], str | None]:
    """A page of the tasks of a project by id, and after which one the next page begins.

    A page may hold fewer tasks than asked for and still have a next one: where labels are asked
    for, it is what so many labels lead to.
    """
    if wanted.asset_id is None:
        return await uow.search.page(project.id, wanted, after, limit)
    stages = [names.stage_id(project.id, stage.name) for stage in project.document.stages]
    ids = [names.task_id(stage, wanted.asset_id) for stage in stages]
    found = await uow.search.those(project.id, wanted, [each for each in ids if each > after])
    return found[:limit], found[limit - 1].id if len(found) > limit else None


async def ask(
    uow: UnitOfWork,
    action: Action,
    task_ids: Sequence[str] | None,
) -> Action:
    """Steer the tasks that are named, at once; those that a filter finds, in a job.

    Raises
    ------
    InvalidActionError, NoSuchPersonError
    """
    await _check(uow, action.steering)
    if task_ids is None:
        uow.actions.put(action)
        uow.enqueue("steer", action.id, {"action": action.id})
        return action
    there = await uow.tasks.many(task_ids)
    tasks = [task for task in there.values() if task.project_id == action.project_id]
    steered = await _steer(uow, action, tasks, "")
    missing = len(set(task_ids)) - len(tasks)
    if missing:
        steered = steered.with_step(0, {"no-such-task": missing}, "")
    done = steered.model_copy(update={"state": "done", "ended_at": uow.now})
    uow.actions.put(done)
    return done


async def step(uow: UnitOfWork, action_id: str, limit: int) -> bool:
    """Steer the next tasks of an action; whether there may be more."""
    action = await uow.actions.get(action_id)
    if action is None or action.state == "done":
        return False
    wanted = action.filter or TaskFilter()
    tasks, after = await uow.search.page(action.project_id, wanted, action.after, limit)
    steered = await _steer(uow, action, tasks, after or action.after)
    if after is None:
        steered = steered.model_copy(update={"state": "done", "ended_at": uow.now})
    uow.actions.put(steered)
    return after is not None


async def action_of(uow: UnitOfWork, project_id: str, action_id: str) -> Action:
    """One action of a project.

    Raises
    ------
    NoSuchActionError
    """
    action = await uow.actions.get(action_id)
    if action is None or action.project_id != project_id:
        raise NoSuchActionError(action_id)
    return action


async def _check(uow: UnitOfWork, wanted: Steering) -> None:
    if wanted.kind == "prioritise" and wanted.priority is None:
        raise InvalidActionError("prioritise needs `priority`, 0 to 100")
    if wanted.kind != "reserve":
        return
    if wanted.person_id is None:
        raise InvalidActionError("reserve needs `person_id`: whom the tasks are kept for")
    if await uow.teams.person(wanted.person_id) is None:
        raise NoSuchPersonError(wanted.person_id)


async def _steer(uow: UnitOfWork, action: Action, tasks: Sequence[Task], after: str) -> Action:
    slots = await uow.search.slots_of([task.id for task in tasks])
    labeled = await _labeled(uow, slots) if action.steering.kind == "reopen" else set()
    changed, unchanged = 0, Counter[str]()
    for task in tasks:
        refusal = steering.refusal(action.steering, task, slots[task.id])
        if refusal is not None:
            unchanged[refusal] += 1
            continue
        changed += 1
        _steer_one(uow, action.steering, task, slots[task.id], labeled)
    return action.with_step(changed, dict(unchanged), after)


async def _labeled(uow: UnitOfWork, slots: Mapping[str, Sequence[Slot]]) -> set[str]:
    """Slots whose current round has its label, whoever made it."""
    current = [
        names.label_id(slot.id, slot.round) for of_task in slots.values() for slot in of_task
    ]
    return {label.slot_id for label in (await uow.labels.many(current)).values()}


def _steer_one(
    uow: UnitOfWork,
    wanted: Steering,
    task: Task,
    slots: list[Slot],
    labeled: set[str],
) -> None:
    match wanted.kind:
        case "prioritise":
            assert wanted.priority is not None
            priority = queueing.priority_of(wanted.priority, holdout=task.holdout)
            uow.steering.prioritise(task.id, priority, queueing.REWORK_AHEAD)
        case "reserve":
            assert wanted.person_id is not None
            slot = steering.free_for(slots, wanted.person_id)
            assert slot is not None
            uow.steering.reserve(slot.id, wanted.person_id, wanted.minutes)
        case "release":
            _end_leases(uow, slots, "queued")
        case "cancel":
            _end_leases(uow, slots, "done")
            uow.steering.cancel(task.id)
            uow.emit(
                TaskClosed(
                    asset_id=task.asset.asset_id,
                    stage_id=task.stage_id,
                    task_id=task.id,
                    reason="cancelled",
                )
            )
        case "reopen":
            _reopen(uow, task, slots, labeled)


def _end_leases(uow: UnitOfWork, slots: Sequence[Slot], state: str) -> None:
    """End the leases that are out; what their people hand in now is kept as a draft."""
    for slot in slots:
        if slot.state != "leased" or slot.lease is None:
            continue
        uow.steering.end_lease(slot, state)
        uow.emit(
            LeaseEnded(
                asset_id=slot.asset.asset_id,
                stage_id=slot.stage_id,
                task_id=slot.task_id,
                slot=slot.number,
                lease_id=slot.lease_id,
                person_id=slot.lease.person_id,
                team_id=slot.lease.team_id,
                leased_at=slot.lease.leased_at,
                ended_at=uow.now,
                reason="cancelled",
            )
        )


def _reopen(uow: UnitOfWork, task: Task, slots: Sequence[Slot], labeled: set[str]) -> None:
    """Queue a cancelled task again; a label that was cancelled with it is made anew."""
    again = [slot for slot in slots if slot.counts and slot.id in labeled]
    uow.steering.reopen(task.id, [names.label_id(slot.id, slot.round) for slot in again])
    for slot in slots:
        companion = not slot.counts and slot.arm != "benchmark"
        if slot.counts or slot.id not in labeled:
            state = "held" if companion else "queued"
            uow.steering.queue_again(slot, state, slot.round + (slot.id in labeled))
    uow.emit(
        TaskOpened(
            asset_id=task.asset.asset_id,
            project_id=task.project_id,
            stage_id=task.stage_id,
            task_id=task.id,
            asset=task.asset,
            holdout=task.holdout,
            focus_regions=task.focus_regions,
            priority=task.priority,
        )
    )
