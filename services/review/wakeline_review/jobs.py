"""Comparing labels takes longer than a handler may, and needs blobs."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import combinations

from wakeline_blobs import Blobs, keep_shapes, load_shapes
from wakeline_events.ontology import problems_in
from wakeline_geometry.agreement import agreement, benchmark_score
from wakeline_geometry.consensus import merge as merged_of
from wakeline_geometry.masks import Size
from wakeline_geometry.shapes import Annotation
from wakeline_messaging import JobLease, Jobs
from wakeline_review.domain import rounds, votes
from wakeline_review.domain.records import Review
from wakeline_review.domain.rounds import Comparison
from wakeline_review.domain.votes import HISTORY
from wakeline_review.resources import Resources
from wakeline_review.store.unit_of_work import MongoReviewUnitOfWork
from wakeline_review.usecases import comparing, sorting
from wakeline_review.usecases.finding import project_of, stage_in

jobs = Jobs()
Lease = JobLease[MongoReviewUnitOfWork, Resources]
Labels = Mapping[str, Sequence[Annotation]]


@jobs.on("score", concurrency=1)
async def score(lease: Lease) -> None:
    """Read a label: compare it with the benchmark of its asset, and see which classes it uses."""
    label_id = lease.job.payload["label_id"]
    reader = lease.read()
    review = await reader.reviews.get(label_id)
    if review is None or review.state != "scoring":
        return
    label = review.label
    submitted = await load_shapes(lease.resources.blobs, label.annotations, Annotation)
    truth = await reader.benchmarks.get(label.stage_id, label.asset_id)
    result: float | None = None
    if truth is not None:
        trusted = await load_shapes(lease.resources.blobs, truth, Annotation)
        result = await asyncio.to_thread(benchmark_score, trusted, submitted, _size(review))

    async def store(uow: MongoReviewUnitOfWork) -> None:
        await sorting.score(uow, label_id, result, {each.class_name for each in submitted})

    await lease.finish(store)


@jobs.on("merge", concurrency=1)
async def merge(lease: Lease) -> None:
    """Say how alike the labels of a task are, and what they amount to."""
    task_id = lease.job.payload["task_id"]
    reader = lease.read()
    gathered = rounds.gathered(await reader.reviews.of_task(task_id))
    if len(gathered) < 2:
        return
    first = gathered[0]
    document = await project_of(reader, first.label.project_id)
    stage = stage_in(document, first.stage_name)
    weigh = stage.consensus.weigh_people
    history = await reader.reviews.votes(first.label.stage_id, HISTORY) if weigh else []
    people = {review.id: review.label.person_id for review in gathered}
    labels = {review.id: await _final(lease.resources.blobs, review) for review in gathered}
    size = _size(first)

    def compare() -> tuple[Comparison, Sequence[Annotation]]:
        proposed: Sequence[Annotation]
        pairs = {(a, b): agreement(labels[a], labels[b], size) for a, b in combinations(labels, 2)}
        found = rounds.comparison(pairs, list(labels))
        merged = None
        if stage.consensus.method == "merge":
            merged = merged_of(list(labels.values()), size)
        proposed = labels[found.best] if merged is None else merged.annotations
        if weigh:
            proposed = votes.decided(labels, people, history, proposed)
        if merged is not None:
            found = found._replace(undecided=votes.undecided(merged.undecided, proposed))
        height, width = size
        if problems_in(proposed, document.ontology, width=width, height=height):
            proposed = labels[found.best]  # the ontology changed, or a majority broke its rules
        return found, proposed

    comparison, proposed = await asyncio.to_thread(compare)
    kept = await keep_shapes(lease.resources.blobs, "labels", proposed)

    async def store(uow: MongoReviewUnitOfWork) -> None:
        await comparing.take_comparison(uow, task_id, comparison, kept)

    await lease.finish(store)


def _size(review: Review) -> Size:
    return review.label.asset.height, review.label.asset.width


async def _final(blobs: Blobs, review: Review) -> tuple[Annotation, ...]:
    return await load_shapes(blobs, review.final, Annotation)
