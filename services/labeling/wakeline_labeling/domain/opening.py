"""What is opened for an asset at a stage: its task, and a slot for every label that is wanted."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from wakeline_events.base import Asset
from wakeline_events.labeling import Arm
from wakeline_geometry.bounds import extent
from wakeline_geometry.shapes import Annotation, Region
from wakeline_labeling.domain import arms, holdout, names, queueing
from wakeline_labeling.domain.records import Answer, Slot, Stage, Task

MOST_REGIONS = 1_000
"""A task about more places is about its whole image: events hold them beside a label."""


class Opened(NamedTuple):
    """A task with its slots; the first slot counts, and every task has it."""

    task: Task
    slots: tuple[Slot, ...]


class Terms(NamedTuple):
    """What is decided about many tasks at once."""

    secret: bytes
    paired: bool
    """Each asset goes to two people, one of them assisted: there are too few to draw arms."""
    presumed: dict[str, tuple[str, ...]]
    """Dataset -> its groups of lowest rank."""
    now: datetime


def is_paired(stage: Stage, assets: int) -> bool:
    """Whether a project with so many assets draws its control arm in pairs."""
    return stage.policy.control_share > 0 and assets < stage.policy.paired_below


def regions_around(annotations: Sequence[Annotation]) -> tuple[Region, ...]:
    """What the next stage's task is about: the places of a label's annotations; none: all of it."""
    regions = [place for each in annotations if (place := extent(each.geometry)) is not None]
    return tuple(regions) if len(regions) <= MOST_REGIONS else ()


def open_task(
    stage: Stage,
    asset: Asset,
    terms: Terms,
    *,
    regions: tuple[Region, ...] = (),
    answer: Answer | None = None,
    benchmark: bool = False,
) -> Opened:
    """Decide the task of an asset at a stage: a function of its arguments, so never drawn again.

    Parameters
    ----------
    answer : what predictors said, if the task is opened anew
    benchmark : the asset has a trusted label, and its task scores people
    """
    task_id = names.task_id(stage.id, asset.asset_id)
    unseen = _is_holdout(stage, asset, terms.presumed) and not benchmark
    paired = terms.paired and not unseen and not benchmark
    assigned = _arm(stage, task_id, terms, unseen=unseen, benchmark=benchmark)
    task = Task(
        id=task_id,
        project_id=stage.project.id,
        stage_id=stage.id,
        asset=asset,
        arm=assigned.arm,
        holdout=unseen,
        paired=paired,
        priority=queueing.priority_of(stage.project.document.priority, holdout=unseen),
        focus_regions=regions,
        opened_at=terms.now,
    )
    if benchmark:
        return Opened(task, (benchmark_slot(stage, task, 0, terms, answer=answer),))
    wanted = 1 if unseen else stage.policy.n_labels
    siblings = wanted + paired
    slots = [
        _slot(stage, task, n, terms, assigned, siblings=siblings, answer=answer)
        for n in range(wanted)
    ]
    if paired:
        control = arms.Assignment("control", arms.PAIRED_SHARE)
        slot = _slot(stage, task, wanted, terms, control, siblings=siblings, answer=answer)
        slots.append(slot.model_copy(update={"counts": False, "state": "held"}))
    return Opened(task, tuple(slots))


def benchmark_slot(
    stage: Stage,
    task: Task,
    number: int,
    terms: Terms,
    *,
    excluded: Collection[str] = (),
    answer: Answer | None = None,
) -> Slot:
    """The slot that stands for a benchmark in its queue: each person gets one like it."""
    assigned = arms.Assignment("benchmark", 0.0)
    slot = _slot(stage, task, number, terms, assigned, siblings=number + 1, answer=answer)
    return slot.model_copy(
        update={
            "counts": False,
            "queue": names.benchmark_queue(stage.id),
            "excluded": tuple(sorted(excluded)),
        }
    )


def own_slot(benchmark: Slot, person_id: str) -> Slot:
    """A person's own slot of a benchmark, the same whenever it is asked for.

    No list of those who have seen a benchmark is needed: its name says whether somebody has.
    """
    number = names.own_number(person_id)
    return benchmark.model_copy(
        update={
            "id": names.slot_id(benchmark.task_id, number),
            "number": number,
            "siblings": 1,
            "queue": names.own_queue(benchmark.stage_id, person_id),
            "excluded": (),
            "reserved": None,
        }
    )


def stands_for_all(slot: Slot) -> bool:
    """Whether a benchmark's slot is the one in the queue, and not a person's own."""
    return slot.queue.endswith(names.benchmark_queue(slot.stage_id))


def benchmark_after(slot: Slot) -> Slot:
    """The slot that stands for a benchmark after one that the release before leased to somebody."""
    number = slot.number + 1
    return slot.model_copy(
        update={
            "id": names.slot_id(slot.task_id, number),
            "number": number,
            "siblings": number + 1,
            "state": "queued",
            "fence": 0,
            "people": (),
            "excluded": tuple(sorted({*slot.excluded, *slot.people})),
            "drafts": (),
            "lease": None,
        }
    )


def _is_holdout(stage: Stage, asset: Asset, presumed: dict[str, tuple[str, ...]]) -> bool:
    rank = holdout.rank(asset.dataset_id, asset.group)
    lowest = presumed.get(asset.dataset_id, ())
    return holdout.is_presumed(rank, stage.policy.holdout_share, asset.group, lowest)


def _arm(
    stage: Stage, task_id: str, terms: Terms, *, unseen: bool, benchmark: bool
) -> arms.Assignment:
    if benchmark or unseen:
        arm: Arm = "benchmark" if benchmark else "holdout"
        return arms.Assignment(arm, 0.0)
    if terms.paired:
        return arms.Assignment("assisted", arms.PAIRED_SHARE)
    return arms.assign(terms.secret, task_id, stage.policy.control_share)


def _slot(
    stage: Stage,
    task: Task,
    number: int,
    terms: Terms,
    assigned: arms.Assignment,
    *,
    siblings: int,
    answer: Answer | None,
) -> Slot:
    slot_id = names.slot_id(task.id, number)
    draw = arms.fraction(terms.secret, f"{slot_id}/draw")
    answered = answer or Answer()
    # Hold-out and benchmark tasks never show a pre-label, so nobody waits for one.
    waits = assigned.arm in ("assisted", "control") and stage.policy.predictors
    wait = timedelta(seconds=stage.policy.prelabel_wait_seconds if waits and not answer else 0)
    return Slot(
        id=slot_id,
        task_id=task.id,
        number=number,
        siblings=siblings,
        project_id=task.project_id,
        stage_id=task.stage_id,
        queue=task.stage_id,
        asset=task.asset,
        focus_regions=task.focus_regions,
        arm=assigned.arm,
        counts=True,
        paired=task.paired,
        p_control=assigned.p_control,
        state="queued",
        priority=task.priority,
        order=stage.policy.order,
        rank=queueing.rank_of(stage.policy.order, answered.uncertainty, draw, task.opened_at),
        draw=draw,
        opened_at=task.opened_at,
        ready_at=task.opened_at + wait,
        answer=answered,
    )
