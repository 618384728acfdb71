"""Comparing labels takes longer than a handler may, and needs blobs."""

import asyncio

from wakeline_blobs import Blobs, load_shapes
from wakeline_geometry.agreement import agreement, benchmark_score
from wakeline_geometry.shapes import Annotation
from wakeline_messaging import JobLease, Jobs
from wakeline_review import usecases
from wakeline_review.domain import triage
from wakeline_review.domain.records import Review
from wakeline_review.resources import Resources
from wakeline_review.store.unit_of_work import MongoReviewUnitOfWork

jobs = Jobs()
Lease = JobLease[MongoReviewUnitOfWork, Resources]


@jobs.on("score", concurrency=1)
async def score(lease: Lease) -> None:
    """Compare a label with the benchmark of its asset."""
    label_id = lease.job.payload["label_id"]
    reader = lease.read()
    review = await reader.reviews.get(label_id)
    if review is None or review.state != "scoring":
        return
    label = review.label
    truth = await reader.benchmarks.get(label.stage_id, label.asset_id)
    assert truth is not None
    trusted = await load_shapes(lease.resources.blobs, truth, Annotation)
    submitted = await load_shapes(lease.resources.blobs, label.annotations, Annotation)
    size = (label.asset.height, label.asset.width)
    result = await asyncio.to_thread(benchmark_score, trusted, submitted, size)

    async def store(uow: MongoReviewUnitOfWork) -> None:
        await usecases.score(uow, label_id, result)

    await lease.finish(store)


@jobs.on("merge", concurrency=1)
async def merge(lease: Lease) -> None:
    """Find the label of a task that agrees best with the others."""
    task_id = lease.job.payload["task_id"]
    ready = [r for r in await lease.read().reviews.of_task(task_id) if r.state == "settled"]
    if not ready:
        return
    shapes = {r.id: await _final(lease.resources.blobs, r) for r in ready}
    size = (ready[0].label.asset.height, ready[0].label.asset.width)

    def compare() -> str:
        return triage.best_of(
            {
                one: [agreement(a, b, size) for other, b in shapes.items() if other != one]
                for one, a in shapes.items()
            }
        )

    best = await asyncio.to_thread(compare)

    async def store(uow: MongoReviewUnitOfWork) -> None:
        await usecases.merge(uow, task_id, best)

    await lease.finish(store)


async def _final(blobs: Blobs, review: Review) -> tuple[Annotation, ...]:
    return await load_shapes(blobs, review.final, Annotation)
