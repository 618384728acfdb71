"""Leases benchmarks: each person gets a slot of their own, so nobody waits for another's."""

from collections.abc import Collection, Sequence

from wakeline_labeling.domain import names, opening
from wakeline_labeling.domain.queues import Claim, Labeler, Queue, Waiting
from wakeline_labeling.domain.records import Slot, Stage
from wakeline_labeling.ports import SeenBeforeError, UnitOfWork

MOST = 2_000
"""So many benchmarks of a stage are given to people."""


def queue_of(stage: Stage, labeler: Labeler) -> Queue:
    """A stage's benchmarks, as one person sees them."""
    return Queue(names.benchmark_queue(stage.id), labeler)


async def standing(uow: UnitOfWork, stage: Stage) -> list[Waiting]:
    """The slots that stand for a stage's benchmarks."""
    return await uow.queue.front(names.benchmark_queue(stage.id), MOST)


async def unseen(
    uow: UnitOfWork,
    stage: Stage,
    labeler: Labeler,
    standing: Sequence[Waiting],
    refused: Collection[str] = (),
) -> list[str]:
    """Of the slots that stand for benchmarks, those that a person may be given one like.

    Parameters
    ----------
    refused : slots that were found to be nothing for the person after all
    """
    if labeler.only_expert or not standing:
        return []
    had = await uow.queue.had_of(names.own_queue(stage.id, labeler.person_id), labeler.person_id)
    return [
        slot.slot_id
        for slot in standing
        if slot.is_for(labeler)
        and slot.slot_id not in refused
        and names.task_of(slot.slot_id) not in had
    ]


async def claim(uow: UnitOfWork, claim: Claim) -> Slot:
    """Lease a person's own slot of the benchmark that a claim names.

    Raises
    ------
    RequestRepeatedError
    SeenBeforeError
        If the person has had it, or it is not to be had any more.
    """
    benchmark = await uow.queue.waiting_for(claim)
    if benchmark is None:
        raise SeenBeforeError(claim.slot_id)
    return await uow.queue.claim_own(
        claim, opening.own_slot(benchmark, claim.queue.labeler.person_id)
    )
