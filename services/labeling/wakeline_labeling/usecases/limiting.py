"""Keeps people and teams within what a stage lets them hold and ask for."""

from wakeline_labeling.domain.errors import TooManyLeasesError, TooManyRequestsError
from wakeline_labeling.domain.queues import Labeler
from wakeline_labeling.domain.records import Slot, Stage
from wakeline_labeling.ports import Desk, UnitOfWork
from wakeline_labeling.usecases.leasing import request_name


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


async def room_for(
    uow: UnitOfWork, stage: Stage, labeler: Labeler, count: int, key: str | None
) -> int | list[Slot]:
    """How many of the wanted leases a person may have, or the ones that the same request has got.

    Counted before the lease: people of one team who ask at the same moment may go over the limit
    by what they ask for.

    Raises
    ------
    TooManyLeasesError
        If it is none.
    """
    limits = stage.policy.limits
    room = count
    for limit, person, team in (
        (limits.open_leases_per_person, labeler.person_id, None),
        (limits.open_leases_per_team, None, labeler.team_id),
    ):
        if not limit:
            continue
        held = await uow.leases.count(stage.id, person_id=person, team_id=team)
        room = min(room, limit - held)
        if room <= 0:
            before = await _before(uow, stage, labeler, count, key)
            if before:
                return before
            whose = "you hold" if person else "your team holds"
            raise TooManyLeasesError(
                f"{whose} {held} leases of stage {stage.id}, and {limit} is the limit: hand some "
                "in or give them back first"
            )
    return room


async def _before(
    uow: UnitOfWork, stage: Stage, labeler: Labeler, count: int, key: str | None
) -> list[Slot]:
    """What the same request, sent before, has got."""
    if key is None:
        return []
    names = [request_name(stage, labeler, f"{key}/{number}") for number in range(count)]
    found = [await uow.slots.requested(name) for name in names]
    return [slot for slot in found if slot is not None and slot.state == "leased"]
