"""Work that takes longer than a handler may, in steps that a kill can fall between."""

import asyncio
from datetime import timedelta

from wakeline_geometry.agreement import benchmark_score
from wakeline_labeling.domain import names
from wakeline_labeling.domain.steering import STEP
from wakeline_labeling.ports import UnitOfWork
from wakeline_labeling.resources import Resources
from wakeline_labeling.store.unit_of_work import LabelingUnitOfWork
from wakeline_labeling.usecases import answering, examining, holding, opening, steering
from wakeline_labeling.usecases.finding import stage_by_id
from wakeline_messaging import JobLease, Jobs

FOR_EVER = 1_000_000
"""Attempts at what must happen some day: it is tried again until it works."""
SWEEP_EVERY = timedelta(seconds=3)
REORDER_BATCH = 2_000

Lease = JobLease[LabelingUnitOfWork, Resources]
jobs = Jobs()


@jobs.on("open", attempts=FOR_EVER)
async def open_dataset(lease: Lease) -> None:
    """Open what a dataset lacks in a project; what is there already is passed by."""
    project, dataset = lease.job.payload["project"], lease.job.payload["dataset"]
    after: str | None = ""
    while after is not None:
        cursor = after

        async def step(uow: UnitOfWork, cursor: str = cursor) -> None:
            nonlocal after
            after = await opening.open_dataset(uow, project, dataset, cursor)

        await lease.transaction(step)

    async def last(uow: UnitOfWork) -> None:
        await opening.reconsider(uow, project)

    await lease.finish(last)


@jobs.on("open-new", attempts=FOR_EVER)
async def open_new(lease: Lease) -> None:
    """Open tasks for the assets that came since."""
    project = lease.job.payload["project"]
    more = True
    while more:

        async def step(uow: UnitOfWork) -> None:
            nonlocal more
            more = await opening.open_new(uow, project)

        await lease.transaction(step)

    async def last(uow: UnitOfWork) -> None:
        await opening.reconsider(uow, project)

    await lease.finish(last)


@jobs.on("hand-on", attempts=FOR_EVER)
async def hand_on(lease: Lease) -> None:
    """Open the next stage's task of an accepted label."""

    async def last(uow: UnitOfWork) -> None:
        # Reads a blob inside of the transaction: it is small, immutable, and rarely there.
        await opening.hand_on(uow, lease.resources.shelf, lease.job.payload["label"])

    await lease.finish(last)


@jobs.on("reorder", attempts=FOR_EVER)
async def reorder(lease: Lease) -> None:
    """Put the slots of a stage into the order that its policy says now."""
    stage_id = lease.job.payload["stage_id"]
    after: str | None = ""
    while after is not None:
        cursor = after

        async def step(uow: UnitOfWork, cursor: str = cursor) -> None:
            nonlocal after
            stage = await stage_by_id(uow, stage_id)
            ids = await uow.slots.page_of_ids(stage_id, cursor, REORDER_BATCH)
            if stage is not None and ids:
                uow.slots.reorder(ids, stage.policy.order)
            after = ids[-1] if stage is not None and len(ids) == REORDER_BATCH else None

        await lease.transaction(step)


@jobs.on("grade", attempts=FOR_EVER)
async def grade(lease: Lease) -> None:
    """Compare a benchmark's label with the trusted one, where that decides who may work."""
    reader, shelf = lease.read(), lease.resources.shelf
    label = await reader.labels.get(lease.job.payload["label"])
    if label is None:
        return
    benchmark_id = names.benchmark_id(label.stage_id, label.asset.asset_id)
    trusted = (await reader.benchmarks.many([benchmark_id])).get(benchmark_id)
    if trusted is None:
        return
    truth = await shelf.annotations(trusted.truth)
    made = await shelf.annotations(label.annotations)
    size = (label.asset.height, label.asset.width)
    score = await asyncio.to_thread(benchmark_score, truth, made, size)

    async def last(uow: UnitOfWork) -> None:
        await examining.grade(uow, label, score)

    await lease.finish(last)


@jobs.on("steer", attempts=FOR_EVER)
async def steer(lease: Lease) -> None:
    """Do with all tasks that a filter finds what a manager asked for, step by step."""
    more = True
    while more:

        async def step(uow: UnitOfWork) -> None:
            nonlocal more
            more = await steering.step(uow, lease.job.payload["action"], STEP)

        await lease.transaction(step)


@jobs.on("sweep", attempts=FOR_EVER)
async def sweep(lease: Lease) -> None:
    """End leases whose time is up and top up pre-labels, again and again."""
    ended = holding.EXPIRED_BATCH

    async def step(uow: UnitOfWork) -> None:
        nonlocal ended
        ended = await holding.expire(uow)

    while ended == holding.EXPIRED_BATCH:
        await lease.transaction(step)

    async def last(uow: UnitOfWork) -> None:
        await answering.request_predictions(uow)
        uow.enqueue("sweep", "sweep", {}, not_before=uow.now + SWEEP_EVERY)

    await lease.finish(last)
