"""Opens tasks: for assets as they come, for all of a dataset, and for the next stage."""

from collections.abc import Collection, Sequence

from wakeline_events.base import Asset
from wakeline_events.labeling import TaskOpened
from wakeline_geometry.shapes import Region
from wakeline_labeling.domain import holdout, names, opening, queueing
from wakeline_labeling.domain.opening import Opened, Terms
from wakeline_labeling.domain.records import Stage, StageState, Task
from wakeline_labeling.ports import Shelf, UnitOfWork
from wakeline_labeling.usecases.finding import stage_by_id
from wakeline_labeling.usecases.withdrawing import keep_withdrawn

BATCH = 500
"""Assets that one transaction opens tasks for."""


async def take_in(uow: UnitOfWork, asset: Asset) -> None:
    """Keep an asset, and leave it to a job to open its tasks: many come at a time."""
    projects = await uow.projects.of_dataset(asset.dataset_id)
    uow.assets.add(asset, projects)
    for project_id in projects:
        uow.enqueue("open-new", project_id, {"project": project_id})


async def open_dataset(
    uow: UnitOfWork, project_id: str, dataset_id: str, after: str, limit: int = BATCH
) -> str | None:
    """Open what a page of a dataset lacks; the cursor of the next page, None after the last."""
    stage = await _first_stage(uow, project_id)
    if stage is None:
        return None
    assets = await uow.assets.page(dataset_id, after, limit)
    await _open_missing(uow, stage, assets)
    return assets[-1].asset_id if len(assets) == limit else None


async def open_new(uow: UnitOfWork, project_id: str, limit: int = BATCH) -> bool:
    """Open tasks for assets that came since; whether there may be more."""
    stage = await _first_stage(uow, project_id)
    assets = await uow.assets.unopened(project_id, limit)
    if stage is not None:
        await _open_missing(uow, stage, assets)
    uow.assets.opened(project_id, [asset.asset_id for asset in assets])
    return len(assets) == limit


async def reconsider(uow: UnitOfWork, project_id: str) -> None:
    """Decide again what the first assets of a dataset could not know, where nobody has begun.

    When few assets are there each is presumed to be hold-out and goes in pairs. What has been
    leased or labeled since stays as it is for ever.
    """
    stage = await _first_stage(uow, project_id)
    if stage is None:
        return
    state = await uow.projects.stage_state(stage.id) or StageState(id=stage.id)
    terms = await terms_of(uow, stage)
    if (state.paired, state.presumed) == (terms.paired, terms.presumed):
        return
    displaced = {
        (dataset, group)
        for dataset, groups in state.presumed.items()
        for group in groups
        if group not in terms.presumed.get(dataset, ())
        and holdout.rank(dataset, group) >= stage.policy.holdout_share
    }
    tasks = {task.id: task for task in await uow.tasks.of_groups(stage.id, displaced)}
    if state.paired and not terms.paired:
        tasks |= {task.id: task for task in await uow.tasks.paired(stage.id)}
    for task in tasks.values():
        await _open_again(uow, stage, task, terms)
    await keep_withdrawn(uow, {task.asset.asset_id for task in tasks.values()})
    changed = {"paired": terms.paired, "presumed": terms.presumed}
    uow.projects.put_stage(state.model_copy(update=changed))


async def hand_on(uow: UnitOfWork, shelf: Shelf, label_id: str) -> None:
    """Open the next stage's task for an asset whose label was accepted, about what it holds."""
    label = await uow.labels.get(label_id)
    if label is None or label.acceptance is None:
        return
    before = await stage_by_id(uow, label.stage_id)
    if before is None or before.position + 1 >= len(before.project.document.stages):
        return
    stage = Stage(before.project, before.position + 1)
    annotations = await shelf.annotations(label.acceptance.annotations)
    await _open_missing(uow, stage, [label.asset], opening.regions_around(annotations))


async def terms_of(uow: UnitOfWork, stage: Stage) -> Terms:
    """What holds for every task that is opened at a stage now."""
    datasets = stage.project.document.datasets
    assets = await uow.assets.count(datasets, limit=stage.policy.paired_below)
    presumed = {
        dataset: await uow.assets.lowest_groups(dataset, holdout.ALWAYS) for dataset in datasets
    }
    paired = opening.is_paired(stage, assets)
    return Terms(await uow.arm_secret(), paired, presumed, uow.now)


def store_opened(uow: UnitOfWork, opened: Opened) -> None:
    """Store a new task with its slots, and tell the predictors of it."""
    task = opened.task
    uow.tasks.add(task)
    for slot in opened.slots:
        uow.slots.add(slot)
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
    uow.known(f"task:{task.id}")


async def _first_stage(uow: UnitOfWork, project_id: str) -> Stage | None:
    project = await uow.projects.get(project_id)
    return Stage(project, 0) if project else None


async def _open_missing(
    uow: UnitOfWork, stage: Stage, assets: Sequence[Asset], regions: tuple[Region, ...] = ()
) -> None:
    if not assets:
        return
    terms = await terms_of(uow, stage)
    await _note_terms(uow, stage, terms)
    there = await uow.tasks.existing(_task_ids(stage, assets))
    missing = [a for a in assets if names.task_id(stage.id, a.asset_id) not in there]
    for asset in missing:
        store_opened(uow, opening.open_task(stage, asset, terms, regions=regions))
    await keep_withdrawn(uow, [asset.asset_id for asset in missing])


def _task_ids(stage: Stage, assets: Collection[Asset]) -> list[str]:
    return [names.task_id(stage.id, asset.asset_id) for asset in assets]


async def _note_terms(uow: UnitOfWork, stage: Stage, terms: Terms) -> None:
    """Add what these tasks presume to what ``reconsider`` will look at."""
    state = await uow.projects.stage_state(stage.id) or StageState(id=stage.id)
    presumed = {
        dataset: tuple(dict.fromkeys([*state.presumed.get(dataset, ()), *groups]))
        for dataset, groups in terms.presumed.items()
    }
    noted = {"presumed": presumed, "paired": state.paired or terms.paired}
    if noted != {"presumed": state.presumed, "paired": state.paired}:
        uow.projects.put_stage(state.model_copy(update=noted))


async def _open_again(uow: UnitOfWork, stage: Stage, task: Task, terms: Terms) -> None:
    """Decide an untouched task anew, but for what a manager said of it."""
    slots = {slot.id: slot for slot in await uow.slots.of_task(task.id)}
    touched = not all(slot.untouched for slot in slots.values())
    if task.state != "open" or task.arm == "benchmark" or touched:
        return
    terms = terms._replace(now=task.opened_at)
    answer = slots[names.slot_id(task.id, 0)].answer
    heard = answer if answer.epoch >= 0 else None
    again = opening.open_task(stage, task.asset, terms, regions=task.focus_regions, answer=heard)
    plain = queueing.plain_priority(task.priority, holdout=task.holdout)
    said = {"priority": queueing.priority_of(plain, holdout=again.task.holdout)}
    uow.tasks.replace(again.task.model_copy(update=said))
    for slot in again.slots:
        old = slots.pop(slot.id, None)
        if old is None:
            uow.slots.add(slot.model_copy(update=said))
        else:
            uow.slots.replace_untouched(slot.model_copy(update={**said, "reserved": old.reserved}))
    for slot_id in slots:
        uow.slots.remove_untouched(slot_id)
