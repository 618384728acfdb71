"""Withdraws the tasks of an image that is not to be had, and restores them once it is back.

A withdrawn slot stands in a queue that nobody leases from, whatever its state: leases that are
out, verdicts and managers change it as they would any other, and nothing that people made is lost.
"""

from collections.abc import Collection

from wakeline_events.base import AssetId
from wakeline_labeling.domain import names
from wakeline_labeling.ports import UnitOfWork


async def withdraw(uow: UnitOfWork, asset_id: AssetId) -> None:
    """Let nobody begin with an image that is not to be had; who has it on a screen may finish."""
    uow.assets.put_withdrawn(asset_id, withdrawn=True)
    await _put_withdrawn(uow, asset_id, withdrawn=True)


async def restore(uow: UnitOfWork, asset_id: AssetId) -> None:
    """Let work on an image go on where it was."""
    uow.assets.put_withdrawn(asset_id, withdrawn=False)
    await _put_withdrawn(uow, asset_id, withdrawn=False)


async def keep_withdrawn(uow: UnitOfWork, asset_ids: Collection[AssetId]) -> None:
    """Withdraw what was just queued of images that are not to be had."""
    for asset_id in await uow.assets.withdrawn(asset_ids) if asset_ids else ():
        await _put_withdrawn(uow, asset_id, withdrawn=True)


async def _put_withdrawn(uow: UnitOfWork, asset_id: AssetId, *, withdrawn: bool) -> None:
    dataset_id = asset_id.rpartition(":")[0]
    for project_id in await uow.projects.of_dataset(dataset_id):
        project = await uow.projects.get(project_id)
        assert project is not None  # it says which datasets it has
        for policy in project.document.stages:
            task_id = names.task_id(names.stage_id(project_id, policy.name), asset_id)
            uow.tasks.put_withdrawn(task_id, withdrawn=withdrawn)
            if withdrawn:
                uow.slots.withdraw(task_id)
            else:
                uow.slots.restore(task_id)
