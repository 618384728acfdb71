"""What has happened since: the history as a feed."""

from dataclasses import dataclass

from wakeline_lineage.domain.records import KeptEvent
from wakeline_lineage.ports import LineageUnitOfWork, Wanted


@dataclass(frozen=True, slots=True)
class Changes:
    """Events behind a position, and where to go on."""

    events: list[KeptEvent]
    position: int
    """Everything of interest up to here is in ``events`` or came before."""
    head: int
    """Where the history ended."""


async def changes_after(uow: LineageUnitOfWork, wanted: Wanted, after: int, limit: int) -> Changes:
    """A page of the events that are wanted.

    The head is read first: what is taken in between the two reads stands behind it, and is not
    passed over when no such event is there.
    """
    head = await uow.history.position()
    events = await uow.history.page(wanted, after, limit)
    if len(events) == limit:
        return Changes(events, events[-1].position, head)
    last = max([after, head, *(event.position for event in events[-1:])])
    return Changes(events, last, head)
