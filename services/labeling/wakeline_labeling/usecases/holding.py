"""While a lease lasts: heartbeats, drafts, giving it back, and what happens when its time is up."""

from datetime import datetime, timedelta
from typing import Literal

from wakeline_events.labeling import LeaseEnded
from wakeline_events.shapes import AnnotationSet
from wakeline_labeling.domain import names
from wakeline_labeling.domain.errors import (
    FenceOutdatedError,
    LabelingError,
    LeaseEndedError,
    LeaseExpiredError,
    NoSuchBandError,
    NoSuchLeaseError,
)
from wakeline_labeling.domain.records import Draft, Slot
from wakeline_labeling.ports import UnitOfWork
from wakeline_labeling.usecases.finding import stage_by_id

EXPIRED_BATCH = 100
"""Expired leases that one transaction ends."""
FALLBACK_MINUTES = 15
"""A heartbeat's extension where the project does not have the stage any more."""


async def living(uow: UnitOfWork, lease_id: str, person_id: str) -> Slot:
    """The slot of a living lease of this person.

    Raises
    ------
    NoSuchLeaseError, LeaseExpiredError, FenceOutdatedError, LeaseEndedError
    """
    slot = await uow.slots.live(names.lease_name(lease_id, person_id))
    if slot is None:
        raise await why_dead(uow, lease_id, person_id)
    return slot


async def heartbeat(uow: UnitOfWork, lease_id: str, person_id: str) -> datetime:
    """Let a lease last its full time from now on; when it ends.

    Raises
    ------
    NoSuchLeaseError, LeaseExpiredError, FenceOutdatedError, LeaseEndedError
    """
    slot = await living(uow, lease_id, person_id)
    stage = await stage_by_id(uow, slot.stage_id)
    minutes = stage.policy.lease_minutes if stage else FALLBACK_MINUTES
    name = names.lease_name(lease_id, person_id)
    until = await uow.slots.extend(name, timedelta(minutes=minutes))
    if until is None:
        raise await why_dead(uow, lease_id, person_id)
    return until


async def give_back(
    uow: UnitOfWork, lease_id: str, person_id: str, how: Literal["returned", "skipped"]
) -> None:
    """End a lease without a label; who skips it does not get it again.

    Raises
    ------
    NoSuchLeaseError, LeaseExpiredError, FenceOutdatedError, LeaseEndedError
    """
    name = names.lease_name(lease_id, person_id)
    slot = await uow.slots.release(name, exclude=how == "skipped")
    if slot is None:
        raise await why_dead(uow, lease_id, person_id)
    _emit_ended(uow, slot, how)


async def save_draft(
    uow: UnitOfWork, lease_id: str, person_id: str, fence: int, annotations: AnnotationSet
) -> datetime:
    """Keep unfinished work with a living lease; when it was saved.

    Raises
    ------
    NoSuchLeaseError, LeaseExpiredError, FenceOutdatedError, LeaseEndedError
    """
    name = names.lease_name(lease_id, person_id)
    slot = await uow.slots.mark_draft(name)
    if slot is None:
        raise await why_dead(uow, lease_id, person_id)
    if fence != name.fence:
        raise FenceOutdatedError(f"lease {lease_id} has fence {name.fence}, not {fence}")
    put_draft(uow, slot, person_id, annotations)
    return uow.now


def put_draft(uow: UnitOfWork, slot: Slot, person_id: str, annotations: AnnotationSet) -> None:
    """Store work as this person's draft of a slot's current round."""
    uow.drafts.put(
        Draft(
            id=names.draft_id(slot.id, person_id),
            slot_id=slot.id,
            person_id=person_id,
            round=slot.round,
            annotations=annotations,
            saved_at=uow.now,
        )
    )


def band_key(slot: Slot, band: str) -> str:
    """The key of a leased asset's extra band.

    Raises
    ------
    NoSuchBandError
    """
    if band not in slot.asset.bands:
        raise NoSuchBandError(band, sorted(slot.asset.bands))
    return slot.asset.bands[band]


async def expire(uow: UnitOfWork) -> int:
    """Put slots whose lease is over back into their queues; how many there were."""
    slots = await uow.slots.expired(EXPIRED_BATCH)
    for slot in slots:
        uow.slots.expire(slot)
        _emit_ended(uow, slot, "expired")
    return len(slots)


async def why_dead(uow: UnitOfWork, lease_id: str, person_id: str) -> LabelingError:
    """Why a lease does not live, in the words of the one who held it."""
    name = names.lease_name(lease_id, person_id)
    slot = await uow.slots.of_person(name.task_id, person_id)
    if slot is None or name.fence > slot.fence:
        return NoSuchLeaseError(lease_id)
    if name.fence < slot.fence:
        return FenceOutdatedError(f"lease {lease_id} is over: its task was leased again since")
    if slot.lease is None or slot.lease.person_id != person_id:
        return NoSuchLeaseError(lease_id)
    if slot.lease.submitted_at is not None:
        return LeaseEndedError(f"lease {lease_id} ended with its label")
    expired_at = slot.lease.expires_at.isoformat(timespec="seconds")
    return LeaseExpiredError(
        f"lease {lease_id} is over: it lasted until {expired_at}, or was given back; "
        "lease again to go on"
    )


def _emit_ended(
    uow: UnitOfWork, slot: Slot, reason: Literal["expired", "returned", "skipped"]
) -> None:
    lease = slot.lease
    assert lease is not None
    uow.emit(
        LeaseEnded(
            asset_id=slot.asset.asset_id,
            stage_id=slot.stage_id,
            task_id=slot.task_id,
            slot=slot.number,
            lease_id=slot.lease_id,
            person_id=lease.person_id,
            team_id=lease.team_id,
            leased_at=lease.leased_at,
            ended_at=uow.now,
            reason=reason,
        )
    )
