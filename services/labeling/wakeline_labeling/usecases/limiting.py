"""Keeps people and teams within what a stage lets them hold and ask for."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from wakeline_labeling.domain.errors import TooManyLeasesError, TooManyRequestsError
from wakeline_labeling.domain.names import LeaseName
from wakeline_labeling.domain.queues import Labeler
from wakeline_labeling.domain.records import Slot, Stage
from wakeline_labeling.ports import Desk, UnitOfWork
from wakeline_labeling.usecases.leasing import request_name

LOOKS = 5
"""So often is looked whether those who came later have given back what was too many."""
BETWEEN_LOOKS = 0.05
"""Seconds."""
LeaseSome = Callable[[int], Awaitable[list[Slot]]]
"""Leases up to so many slots to a person."""


class _Limit(NamedTuple):
    """How many leases of a stage may be out."""

    most: int
    person_id: str | None
    team_id: str | None

    def error(self, stage: Stage, held: int) -> TooManyLeasesError:
        whose = "you hold" if self.person_id else "your team holds"
        return TooManyLeasesError(
            f"{whose} {held} leases of stage {stage.id}, and {self.most} is the limit: hand some "
            "in or give them back first"
        )


def refuse_haste(desk: Desk, stage: Stage, labeler: Labeler) -> None:
    """Refuse a request that comes too soon after the ones before; by this process's count.

    Raises
    ------
    TooManyRequestsError
    """
    rate = stage.policy.limits.requests_per_second
    if rate and (seconds := desk.wait(f"{stage.id}|{labeler.person_id}", rate)) > 0:
        raise TooManyRequestsError(
            f"stage {stage.id} takes {rate:g} lease requests a second of each person: ask for "
            "several tasks at once with `count`",
            seconds,
        )


async def lease_within(
    uow: UnitOfWork,
    desk: Desk,
    stage: Stage,
    labeler: Labeler,
    lease: LeaseSome,
    count: int,
    key: str | None,
    *,
    exam: bool,
) -> list[Slot]:
    """Lease within a stage's limits; a key that comes again gets what it got, and no more.

    Requests of one person are taken one after the other by a process. Those of a team, and of
    several processes, are counted once more when they have their leases: the leases that came
    first stay, and what is over the limit goes back before anybody is told of it. A process that
    dies in between leaves what it leased to the same request, which counts once more too, or to the
    end of its time.

    Parameters
    ----------
    exam : whether the person takes an exam, which has so many tasks and no more

    Raises
    ------
    TooManyLeasesError
        If there is room for none.
    """
    limits = _limits(stage, labeler)
    if not limits and not exam:
        return await lease(count)
    async with desk.turn(f"{stage.id}|{labeler.person_id}"):
        before = await _before(uow, stage, labeler, count, key)
        if before:
            for limit in limits:
                living = await uow.leases.living(stage.id, limit.person_id, limit.team_id)
                before = await _without(uow, labeler, before, living[limit.most :])
                if not before:
                    raise limit.error(stage, len(living))
            return before
        for limit in limits:
            held = len(await uow.leases.living(stage.id, limit.person_id, limit.team_id))
            if held >= limit.most:
                raise limit.error(stage, held)
            count = min(count, limit.most - held)
        slots = await lease(count)
        for limit in limits:
            slots = await _kept(uow, stage, labeler, limit, slots)
        return slots


def _limits(stage: Stage, labeler: Labeler) -> list[_Limit]:
    policy = stage.policy.limits
    limits = [
        _Limit(policy.open_leases_per_person, labeler.person_id, None),
        _Limit(policy.open_leases_per_team, None, labeler.team_id),
    ]
    return [limit for limit in limits if limit.most]


async def _before(
    uow: UnitOfWork, stage: Stage, labeler: Labeler, count: int, key: str | None
) -> list[Slot]:
    """What the same request, sent before, has got."""
    if key is None:
        return []
    names = [request_name(stage, labeler, f"{key}/{number}") for number in range(count)]
    return [slot for slot in await uow.queue.requested_all(names) if slot.state == "leased"]


async def _kept(
    uow: UnitOfWork, stage: Stage, labeler: Labeler, limit: _Limit, slots: list[Slot]
) -> list[Slot]:
    """What is left of new leases once all that are too many went back.

    Whoever came first waits for the others to give back theirs, and does so itself at last: the
    database's clock says who was first, but not who saw whom.
    """
    for look in range(1, LOOKS + 1):
        living = await uow.leases.living(stage.id, limit.person_id, limit.team_id)
        over = len(living) - limit.most
        if over <= 0:
            break
        late = [slot.id for slot in slots[-over:]] if look == LOOKS else living[limit.most :]
        kept = await _without(uow, labeler, slots, late)
        if not kept:
            raise limit.error(stage, len(living))
        if kept == slots:
            await asyncio.sleep(BETWEEN_LOOKS)
        slots = kept
    return slots


async def _without(
    uow: UnitOfWork, labeler: Labeler, slots: list[Slot], late: Sequence[str]
) -> list[Slot]:
    """What is left of new leases once those of the late slots went back."""
    for slot in slots:
        if slot.id in late:
            name = LeaseName(slot.task_id, labeler.person_id, slot.fence)
            await uow.slots.release(name, exclude=False)
    return [slot for slot in slots if slot.id not in late]
