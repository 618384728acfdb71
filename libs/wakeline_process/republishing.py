"""Saying the state again, as snapshots, for a consumer that Kafka no longer tells of it."""

from typing import Any, ClassVar

from wakeline_events.registry import BY_TYPE
from wakeline_messaging import Decision, UnitOfWork
from wakeline_messaging.decided import note
from wakeline_process.service import Service

PAGE = 200
"""Events of one transaction."""


class NoStateError(Exception):
    """There is no state that this type of event tells of, here or at all."""

    code: ClassVar[str] = "no-state"


async def republish(
    service: Service[Any, Any],
    uow: UnitOfWork[Any],
    decision: Decision,
    event_type: str,
    key: str | None,
    after: str,
) -> tuple[int, str | None]:
    """Emit the next page of snapshots; how many, and where to go on (None: all is said).

    Each is read and numbered in one transaction. Whoever changes the entity meanwhile numbers an
    event of the same stream: one of the two has to wait for the other, so a snapshot never stands
    behind a change that it does not know of. The pages of one person that follow each other are
    one decision.

    Raises
    ------
    NoStateError
        If the type is of another service, or tells of a moment.
    """
    page = service.states.get(event_type)
    if page is None:
        raise NoStateError(_why(service, event_type))
    found = await page(uow, key, after, PAGE)
    uow.emit(*(event for _, event in found), snapshot=True)
    following = found[-1][0] if len(found) == PAGE else None
    await _note(uow, decision, event_type, key, after, len(found), following)
    return len(found), following


async def _note(
    uow: UnitOfWork[Any],
    decision: Decision,
    event_type: str,
    key: str | None,
    after: str,
    published: int,
    following: str | None,
) -> None:
    rows = uow.collection("operations")
    theirs = {"action": "republish", "subject": event_type, "by": decision.by, "row.key": key}
    before = None
    if after:
        before = await rows.find_one({**theirs, "row.next": after}, sort=[("_id", -1)])
    if before is None:
        row = {"key": key, "after": after, "published": published, "next": following}
        return note(uow, decision, "republish", event_type, row)
    counted = {"$inc": {"row.published": published}, "$set": {"row.next": following}}
    return rows.update({"_id": before["_id"]}, counted)


def _why(service: Service[Any, Any], event_type: str) -> str:
    known = BY_TYPE.get(event_type)
    here = ", ".join(sorted(service.states)) or "nothing"
    if known is None:
        return f"there is no event type {event_type}; {service.name} can say again: {here}"
    if service.name != known.PRODUCER:
        return f"{event_type} is published by {known.PRODUCER}, not by {service.name}"
    return (
        f"{event_type} tells of a moment, not of a state: it can only be read again while Kafka "
        f"has it (`wakeline replay`); {service.name} can say again: {here}"
    )
