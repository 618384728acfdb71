"""Every event that was ever published, whatever the topics still hold."""

from typing import Annotated

from fastapi import Query

from wakeline_http import (
    Cursor,
    Limit,
    Moment,
    Page,
    Router,
    decode_cursor,
    encode_cursor,
    problems,
)
from wakeline_lineage.api.dependencies import Asker, LineageReader
from wakeline_lineage.api.models import EventOut, GapsOut
from wakeline_lineage.domain.errors import AmbiguousNodeError, UnknownNodeError
from wakeline_lineage.ports import Wanted
from wakeline_lineage.usecases import asking

router = Router(prefix="/v1/history", tags=["history"])

Types = Annotated[
    list[str] | None, Query(max_length=100, description="Event types; may be repeated.")
]


@router.get("", responses=problems(UnknownNodeError, AmbiguousNodeError))
async def list_events(
    reader: LineageReader,
    _: Asker,
    node: str | None = None,
    key: str | None = None,
    service: str | None = None,
    type: Types = None,
    since: Moment | None = None,
    until: Moment | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[EventOut]:
    """A page of events in the order in which they were taken in, each as it was published."""
    name = await asking.resolve(reader, node) if node is not None else None
    wanted = Wanted(name, service, key, tuple(type or ()), since, until)
    (after,) = decode_cursor(cursor, int) if cursor else (0,)
    events = await reader.history.page(wanted, after, limit)
    following = encode_cursor(events[-1].position) if len(events) == limit else None
    return Page(items=[EventOut.of(event) for event in events], next=following)


@router.get("/gaps")
async def find_gaps(reader: LineageReader, _: Asker) -> GapsOut:
    """Whether every stream is there from its first event on, and how many events of each type."""
    return GapsOut.of(await reader.history.completeness())
