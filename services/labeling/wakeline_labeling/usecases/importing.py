"""Takes in labels that were made before, or elsewhere: they count, and measure nothing.

An imported label stands in its task like one that a person submitted: it takes the task's first
slot, is published as ``label.completed``, and counts as soon as review has seen it. Its person is
the import itself (``import:<source>``), and it was never picked from the queue (``p_selected`` is
0), so nothing that is measured of people or pre-labels is made of it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wakeline_events.base import Asset
from wakeline_events.labeling import IMPORT, Arm, Effort, LabelCompleted
from wakeline_events.ontology import problems_in
from wakeline_events.shapes import AnnotationSet
from wakeline_geometry.shapes import Annotation
from wakeline_labeling.domain import names, ontology, opening, submission
from wakeline_labeling.domain.records import Label, Slot, Stage, Task
from wakeline_labeling.ports import Shelf, UnitOfWork
from wakeline_labeling.usecases.opening import store_opened, terms_of
from wakeline_labeling.usecases.withdrawing import keep_withdrawn

NO_EFFORT = Effort(confirmed=0, edited=0, drawn=0, removed=0, lease_seconds=0.0)


class Item(NamedTuple):
    """The label of one asset, as sent."""

    asset_id: str
    annotations: tuple[Annotation, ...]


class Refused(NamedTuple):
    """Why an item is not taken."""

    asset_id: str
    code: str
    detail: str


class Checked(NamedTuple):
    """An item that fits its asset and the ontology."""

    asset: Asset
    annotations: AnnotationSet
    digest: str
    uses: tuple[str, ...]
    """Words of the ontology, as ``ontology.words_of`` finds them."""


class Source(NamedTuple):
    """Where labels come from, and whether they may be compared with."""

    name: str
    trusted: bool
    """Made without a pre-label, by the declaration of who imports them."""

    @property
    def person_id(self) -> str:
        """Who labeled, as far as Wakeline knows."""
        return f"{IMPORT}{self.name}"


async def check(
    uow: UnitOfWork, shelf: Shelf, stage: Stage, items: Sequence[Item]
) -> list[Checked | Refused]:
    """Check items in their order, and shelve what is large."""
    assets = await uow.assets.get([item.asset_id for item in items])
    problems = await asyncio.to_thread(_problems, stage, assets, items)
    found: list[Checked | Refused] = []
    for item, refusal in zip(items, problems, strict=True):
        if refusal is not None:
            found.append(refusal)
            continue
        found.append(
            Checked(
                asset=assets[item.asset_id],
                annotations=await shelf.shelve(item.annotations),
                digest=submission.digest_of(item.annotations),
                uses=ontology.words_of(item.annotations),
            )
        )
    return found


async def put(
    uow: UnitOfWork, stage: Stage, source: Source, checked: Sequence[Checked]
) -> dict[int, Refused]:
    """Store labels; those that may not be, by their position.

    An equal label again changes nothing; another one of the same source takes the place of the
    one before, in a round of its own. What people have begun or made stays theirs.
    """
    terms = await terms_of(uow, stage)
    ids = [names.task_id(stage.id, each.asset.asset_id) for each in checked]
    tasks = await uow.tasks.many(ids)
    for task_id, each in zip(ids, checked, strict=True):
        if task_id not in tasks:
            opened = opening.open_task(stage, each.asset, terms)
            store_opened(uow, opened)
            tasks[task_id] = opened.task
    slots = await uow.slots.of_tasks(ids)
    labels = await uow.labels.many(
        [names.label_id(slot.id, slot.round) for found in slots.values() for slot in found[:1]]
    )
    trusted = await uow.benchmarks.many(
        [names.benchmark_id(stage.id, each.asset.asset_id) for each in checked]
    )
    refused: dict[int, Refused] = {}
    for position, (task_id, each) in enumerate(zip(ids, checked, strict=True)):
        task, found = tasks[task_id], slots[task_id]
        before = labels.get(names.label_id(found[0].id, found[0].round))
        same = before is not None and before.digest == each.digest and _is_import(before)
        if same and task.state != "cancelled":
            continue
        is_benchmark = names.benchmark_id(stage.id, each.asset.asset_id) in trusted
        if refusal := _why_not(task, found, before, source, is_benchmark=is_benchmark):
            refused[position] = refusal
            continue
        round = found[0].round + (before is not None)
        slot = found[0].model_copy(
            update={"state": "submitted", "counts": True, "paired": False, "round": round}
        )
        uow.slots.replace_unleased(slot)
        for other in found[1:]:
            uow.slots.remove_untouched(other.id)
        uow.tasks.replace(task.model_copy(update={"paired": False, "state": "open"}))
        if before is not None:
            uow.labels.reject(before.id)
        label = _label(uow, stage, source, task, slot, each)
        uow.labels.add(label)
        uow.emit(_completed(label, slot))
        slots[task_id], labels[label.id] = [slot], label
    await keep_withdrawn(uow, [each.asset.asset_id for each in checked])
    return refused


def _why_not(
    task: Task, slots: Sequence[Slot], before: Label | None, source: Source, *, is_benchmark: bool
) -> Refused | None:
    asset_id = task.asset.asset_id
    if is_benchmark:
        detail = "it has a trusted label, which scores people and is never trained on"
        return Refused(asset_id, "is-benchmark", detail)
    if task.state == "cancelled":
        return Refused(asset_id, "cancelled", "its task was cancelled: reopen it first")
    if any(slot.people for slot in slots):
        return Refused(asset_id, "people-were-first", "somebody has begun to label it here")
    if before is not None and not _is_import(before):
        return Refused(asset_id, "people-were-first", "somebody has labeled it here")
    if before is not None and before.state == "submitted":
        detail = "a label that was imported a moment ago is still on its way: try again"
        return Refused(asset_id, "still-on-its-way", detail)
    if task.holdout and not source.trusted:
        detail = (
            "it is held out to compare models on, so its label has to be made without a "
            "pre-label: import with trusted=true if it was, or let people label it"
        )
        return Refused(asset_id, "held-out", detail)
    return None


def _is_import(label: Label) -> bool:
    return label.person_id.startswith(IMPORT)


def _label(
    uow: UnitOfWork, stage: Stage, source: Source, task: Task, slot: Slot, item: Checked
) -> Label:
    arm: Arm = "holdout" if task.holdout else "control" if source.trusted else "assisted"
    return Label(
        id=names.label_id(slot.id, slot.round),
        project_id=slot.project_id,
        stage_id=slot.stage_id,
        task_id=slot.task_id,
        slot_id=slot.id,
        slot=slot.number,
        round=slot.round,
        asset=slot.asset,
        arm=arm,
        counts=True,
        p_control=0.0,
        p_selected=0.0,
        prelabel=None,
        annotations=item.annotations,
        digest=item.digest,
        uses=item.uses,
        effort=NO_EFFORT,
        person_id=source.person_id,
        team_id=None,
        lease_id=names.lease_id(task.id, source.person_id, 0),  # there was none
        ontology_version=stage.project.ontology_version,
        submitted_at=uow.now,
    )


def _completed(label: Label, slot: Slot) -> LabelCompleted:
    shared = set(LabelCompleted.model_fields) & set(Label.model_fields) - {"asset_id"}
    return LabelCompleted(
        asset_id=label.asset.asset_id,
        label_id=label.id,
        n_labels=1,
        focus_regions=slot.focus_regions,
        **{name: getattr(label, name) for name in shared - {"n_labels"}},
    )


def _problems(
    stage: Stage, assets: Mapping[str, Asset], items: Sequence[Item]
) -> list[Refused | None]:
    known = ", ".join(stage.project.document.datasets)
    found: list[Refused | None] = []
    for item in items:
        asset = assets.get(item.asset_id)
        if asset is None or asset.dataset_id not in stage.project.document.datasets:
            detail = f"no such asset in the project's datasets ({known})"
            found.append(Refused(item.asset_id, "unknown-asset", detail))
            continue
        problems = problems_in(
            item.annotations, stage.ontology, width=asset.width, height=asset.height
        )
        found.append(
            Refused(item.asset_id, "invalid-annotations", "; ".join(problems[:5]))
            if problems
            else None
        )
    return found
