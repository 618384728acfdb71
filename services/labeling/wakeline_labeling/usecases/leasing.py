"""Leases slots to people: which ones, and what they are told of them.

A lease is one atomic write of one document and needs no transaction: sixteen people at one queue
would only make each other's transactions fail. What could be lost between two writes here is a
hint, never a right.
"""

import hashlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta
from typing import NamedTuple

from wakeline_events.configuration import Ontology
from wakeline_geometry.shapes import Annotation, Predicted
from wakeline_labeling.domain import arms, selection
from wakeline_labeling.domain.errors import NotAMemberError, NoTaskAvailableError
from wakeline_labeling.domain.queues import Claim, Labeler, Queue
from wakeline_labeling.domain.records import Lease, Pin, Project, Slot, Stage
from wakeline_labeling.domain.teams import Colleague
from wakeline_labeling.ports import Desk, RequestRepeatedError, SeenBeforeError, Shelf, UnitOfWork
from wakeline_labeling.usecases import benchmarking
from wakeline_labeling.usecases.finding import is_internal, team_of

ATTEMPTS = 50
"""So often a pick that somebody else was quicker at is made again."""
CROWD = 32
"""Among so many of the first, at most, those pick who were not quick enough for the first."""
FRONT = 64
"""So many of the first of a long queue are read at once."""

ClaimNamed = Callable[[Claim], Awaitable[Slot | None]]
"""Leases the slot that a claim names, perhaps together with other people's."""


class LeaseView(NamedTuple):
    """All that the holder of a lease is told."""

    slot: Slot
    lease: Lease
    ontology: Ontology
    pin: Pin | None
    """The pre-label that is shown; None if none is."""
    shapes: tuple[Predicted, ...]
    draft: tuple[Annotation, ...] | None


async def labeler_of(
    uow: UnitOfWork,
    stage: Stage,
    *,
    person_id: str,
    team_id: str | None,
    labels: bool,
    expert: bool,
) -> Labeler:
    """What a person is to a stage.

    Parameters
    ----------
    team_id : as the person's token says; if it says nothing, the service's own records do
    labels : whether the person may label at all
    expert : whether the person is a reviewer

    Raises
    ------
    NotAMemberError
    """
    team_id = await team_of(uow, person_id, team_id)
    policy = stage.policy
    if labels and team_id == policy.team:
        return Labeler(person_id, team_id, expert)
    if expert:
        for_anybody_internal = policy.review.team is None and team_id != policy.team
        internal = for_anybody_internal and await is_internal(uow, team_id)
        if Colleague(team_id, internal, labels, reviews=True).works_in(policy):
            return Labeler(person_id, team_id, expert, only_expert=True)
    raise NotAMemberError(stage.id, policy.team)


async def lease_next(
    uow: UnitOfWork,
    desk: Desk,
    claim_named: ClaimNamed,
    stage: Stage,
    labeler: Labeler,
    count: int,
    key: str | None,
) -> list[Slot]:
    """Lease up to ``count`` slots to a person; a key that comes again gets what it got.

    Raises
    ------
    NoTaskAvailableError
        If there is not a single one, with the reason.
    """
    slots: list[Slot] = []
    key = key or desk.new_id()
    for number in range(count):
        request = request_name(stage, labeler, f"{key}/{number}")
        slot = await _lease_one(uow, desk, claim_named, stage, labeler, request)
        if slot is None:
            break
        slots.append(slot)
    if not slots:
        raise NoTaskAvailableError(await _why_nothing(uow, stage))
    for slot in slots:
        desk.leased(slot)
    return slots


async def describe(
    uow: UnitOfWork, desk: Desk, shelf: Shelf, project: Project, slots: Sequence[Slot]
) -> list[LeaseView]:
    """What the holder of living leases is told of each."""
    return [await _describe(uow, desk, shelf, project, slot) for slot in slots]


async def shown(uow: UnitOfWork, desk: Desk, shelf: Shelf, slot: Slot) -> tuple[Predicted, ...]:
    """The shapes that the slot's lease shows: those it pinned, and none in an unassisted arm."""
    pin = slot.lease.pin if slot.lease else None
    if pin is None or not arms.is_shown(slot.arm):
        return ()
    shapes = desk.shapes_of(pin.prediction_id)
    if shapes is None:
        prelabel = await uow.prelabels.get(pin.prediction_id)
        shapes = await shelf.predicted(prelabel.shapes) if prelabel else ()
        desk.note_shapes(pin.prediction_id, shapes)
    return shapes


async def _lease_one(
    uow: UnitOfWork,
    desk: Desk,
    claim_named: ClaimNamed,
    stage: Stage,
    labeler: Labeler,
    request: str,
) -> Slot | None:
    refused: set[str] = set()
    for attempt in range(ATTEMPTS):
        crowd = min(2**attempt, CROWD)
        claim = await _choose(uow, desk, stage, labeler, request, crowd, refused)
        if claim is None:
            break
        try:
            if claim.queue.name != stage.id:
                return await benchmarking.claim(uow, claim)
            slot = await (claim_named(claim) if claim.slot_id else uow.queue.claim_first(claim))
        except RequestRepeatedError:
            break
        except SeenBeforeError:
            refused.add(claim.slot_id or "")
            continue
        if slot is not None:
            if slot.siblings > 1:
                await uow.queue.exclude_from_siblings(slot, labeler.person_id)
            return slot
        if claim.slot_id is None:
            break
    # A request that came before is met here and not first: almost none did.
    return await uow.queue.requested(request)


async def _choose(
    uow: UnitOfWork,
    desk: Desk,
    stage: Stage,
    labeler: Labeler,
    request: str,
    crowd: int,
    refused: Collection[str],
) -> Claim | None:
    """The claim that chance and the queue's order say; None if nothing is there to claim."""
    lasts = timedelta(minutes=stage.policy.lease_minutes)
    chosen = await _choose_ordinary(uow, desk, stage, labeler, crowd)
    if chosen is None:
        return None  # benchmarks look like ordinary tasks only among ordinary tasks
    share, found = stage.policy.benchmark_share, list[str]()
    queue = benchmarking.queue_of(stage, labeler)
    if share:
        standing = await desk.standing(queue.name, lambda: benchmarking.standing(uow, stage))
        found = await benchmarking.unseen(uow, stage, labeler, standing, refused)
    if found and desk.coin() < share:
        drawn = found[int(desk.coin() * len(found))]
        return Claim(queue, drawn, share / len(found), lasts, request)
    slot_id, probability = chosen
    ordinary = (1.0 - share) * probability if found else probability
    return Claim(Queue(stage.id, labeler), slot_id, ordinary, lasts, request)


async def _choose_ordinary(
    uow: UnitOfWork, desk: Desk, stage: Stage, labeler: Labeler, crowd: int
) -> tuple[str | None, float] | None:
    """A slot, or None for the first of the queue, and the probability of this pick."""
    queue, share = Queue(stage.id, labeler), stage.policy.uniform_share
    length, coins = await _length(uow, desk, queue.name), desk.coins()
    if length <= selection.SMALL_QUEUE:
        candidates = await uow.queue.candidates(queue, 2 * selection.SMALL_QUEUE)
        if not candidates:
            return None
        paired = len({candidate.counts for candidate in candidates}) > 1
        picked = selection.pick(candidates, coins, share, paired=paired, crowd=crowd)
        return picked.candidate.slot_id, picked.probability
    if coins.lane < share:
        strata = selection.strata(length)
        stratum = selection.stratum_of(coins.half, strata)
        inside = await uow.queue.candidates(queue, 0, within=stratum)
        if inside:
            drawn = inside[int(coins.place * len(inside))]
            probability = selection.probability_in_stratum(share, strata, len(inside))
            return drawn.slot_id, probability
    return await _first(uow, desk, queue), selection.probability_of_first(share, length)


async def _first(uow: UnitOfWork, desk: Desk, queue: Queue) -> str | None:
    """The first of a long queue that is for a person; None: let the database find it.

    The front of the queue is remembered for a moment and every slot of it is given out once, for
    people who all reach for the same slot spend their time on being refused.
    """
    if queue.labeler.only_expert:
        return None
    front = await desk.front_of(queue.name, lambda: uow.queue.front(queue.name, FRONT))
    for place, waiting in enumerate(front):
        if waiting.is_for(queue.labeler):
            del front[place]
            return waiting.slot_id
    return None


async def _length(uow: UnitOfWork, desk: Desk, queue: str) -> int:
    return await desk.length_of(queue, lambda: uow.queue.queued(queue))


async def _why_nothing(uow: UnitOfWork, stage: Stage) -> str:
    waiting = await uow.queue.queued(stage.id, limit=1_000)
    if not waiting:
        return f"nothing waits in stage {stage.id}"
    return (
        f"{waiting} labels wait in stage {stage.id}, but none for you now: they wait for their "
        "pre-labels, for another person than you, or for an expert"
    )


async def _describe(
    uow: UnitOfWork, desk: Desk, shelf: Shelf, project: Project, slot: Slot
) -> LeaseView:
    assert slot.lease is not None
    pin = slot.lease.pin if arms.is_shown(slot.arm) else None
    return LeaseView(
        slot=slot,
        lease=slot.lease,
        ontology=project.document.ontology,
        pin=pin,
        shapes=await shown(uow, desk, shelf, slot),
        draft=await _draft(uow, shelf, slot, slot.lease.person_id),
    )


async def _draft(
    uow: UnitOfWork, shelf: Shelf, slot: Slot, person_id: str
) -> tuple[Annotation, ...] | None:
    """A person's own unfinished work, else what is to be made again."""
    if person_id in slot.drafts:
        draft = await uow.drafts.get(slot.id, person_id)
        if draft is not None and draft.round == slot.round:
            return await shelf.annotations(draft.annotations)
    if slot.rework_of is not None:
        rejected = await uow.labels.get(slot.rework_of)
        expert = slot.reserved is not None and slot.reserved.expert
        if rejected is not None and (expert or rejected.person_id == person_id):
            return await shelf.annotations(rejected.annotations)
    return None


def request_name(stage: Stage, labeler: Labeler, key: str) -> str:
    """Names one lease of a request, so that it comes out the same when it is sent again."""
    named = f"{labeler.person_id}\n{stage.id}\n{key}"
    return hashlib.sha256(named.encode()).hexdigest()[:32]
