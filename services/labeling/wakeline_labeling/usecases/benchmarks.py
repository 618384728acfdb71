"""Takes in trusted labels: their assets score people from now on, and never train."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from wakeline_events.base import Asset
from wakeline_events.labeling import BenchmarkSet
from wakeline_events.ontology import problems_in
from wakeline_events.shapes import AnnotationSet
from wakeline_geometry.shapes import Annotation
from wakeline_labeling.domain import names, opening, submission
from wakeline_labeling.domain.opening import Terms
from wakeline_labeling.domain.records import Benchmark, Stage, Task
from wakeline_labeling.ports import Shelf, UnitOfWork
from wakeline_labeling.usecases.opening import store_opened, terms_of
from wakeline_labeling.usecases.withdrawing import keep_withdrawn


class Item(NamedTuple):
    """The trusted label of one asset, as sent."""

    asset_id: str
    annotations: tuple[Annotation, ...]


class Verdict(NamedTuple):
    """What became of one item."""

    asset_id: str
    code: str | None
    """None: it is set."""
    detail: str


class Checked(NamedTuple):
    """An item that may be set."""

    asset: Asset
    truth: AnnotationSet
    digest: str


async def check(
    uow: UnitOfWork, shelf: Shelf, stage: Stage, items: Sequence[Item]
) -> tuple[list[Checked], list[Verdict]]:
    """Check items and shelve what is large; those that may be set, and why others may not."""
    assets = await uow.assets.get([item.asset_id for item in items])
    checked: list[Checked] = []
    refused: list[Verdict] = []
    seen: set[str] = set()
    for item in items:
        asset = assets.get(item.asset_id)
        if asset is None or asset.dataset_id not in stage.project.document.datasets:
            known = ", ".join(stage.project.document.datasets)
            detail = f"no such asset in the project's datasets ({known})"
            refused.append(Verdict(item.asset_id, "unknown-asset", detail))
        elif item.asset_id in seen:
            refused.append(Verdict(item.asset_id, "repeated", "it is in the request twice"))
        elif problems := await asyncio.to_thread(_problems, stage, asset, item):
            detail = "; ".join(problems[:5])
            refused.append(Verdict(item.asset_id, "invalid-annotations", detail))
        else:
            seen.add(item.asset_id)
            truth = await shelf.shelve(item.annotations)
            checked.append(Checked(asset, truth, submission.digest_of(item.annotations)))
    return checked, refused


async def put(uow: UnitOfWork, stage: Stage, checked: Sequence[Checked]) -> None:
    """Set trusted labels; setting an equal one again changes nothing.

    What nobody has begun becomes a benchmark task; a lease that is out, or an imported label on
    its way to review, goes on as it was, and the asset scores people beside it.
    """
    ids = [names.benchmark_id(stage.id, item.asset.asset_id) for item in checked]
    before = await uow.benchmarks.many(ids)
    tasks = await uow.tasks.many([names.task_id(stage.id, c.asset.asset_id) for c in checked])
    terms = await terms_of(uow, stage)
    for benchmark_id, item in zip(ids, checked, strict=True):
        old = before.get(benchmark_id)
        if old is not None and old.digest == item.digest:
            continue
        asset_id = item.asset.asset_id
        task = tasks.get(names.task_id(stage.id, asset_id))
        uow.benchmarks.put(
            Benchmark(
                id=benchmark_id,
                stage_id=stage.id,
                asset_id=asset_id,
                digest=item.digest,
                truth=item.truth,
            )
        )
        uow.emit(
            BenchmarkSet(
                asset_id=asset_id,
                project_id=stage.project.id,
                stage_id=stage.id,
                asset=item.asset,
                truth=item.truth,
                focus_regions=task.focus_regions if task else (),
            )
        )
        if old is None:
            await _open(uow, stage, item.asset, task, terms)
    await keep_withdrawn(uow, [item.asset.asset_id for item in checked])


async def _open(
    uow: UnitOfWork, stage: Stage, asset: Asset, task: Task | None, terms: Terms
) -> None:
    if task is None:
        store_opened(uow, opening.open_task(stage, asset, terms, benchmark=True))
        return
    slots = await uow.slots.of_task(task.id)
    if task.state == "open" and all(slot.untouched for slot in slots):
        again = opening.open_task(
            stage,
            asset,
            terms._replace(now=task.opened_at),
            regions=task.focus_regions,
            answer=slots[0].answer,
            benchmark=True,
        )
        uow.tasks.replace(again.task)
        uow.slots.replace_untouched(again.slots[0])
        for slot in slots[1:]:
            uow.slots.remove_untouched(slot.id)
        return
    seen = {person for slot in slots for person in slot.people}
    uow.slots.add(opening.benchmark_slot(stage, task, slots[-1].number + 1, terms, excluded=seen))


def _problems(stage: Stage, asset: Asset, item: Item) -> list[str]:
    return problems_in(item.annotations, stage.ontology, width=asset.width, height=asset.height)
