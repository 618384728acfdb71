"""The history as a feed for integrators: by long polling, or as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Annotated

from fastapi import Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from wakeline_http import InvalidCursorError, Router, problems
from wakeline_lineage.api.dependencies import Asker, LineageReader
from wakeline_lineage.api.models import ChangesOut, EventOut
from wakeline_lineage.domain.errors import UnknownEventTypeError
from wakeline_lineage.ports import Wanted
from wakeline_lineage.store.unit_of_work import MongoLineageUnitOfWork
from wakeline_lineage.usecases import following, notifying

router = Router(prefix="/v1/changes", tags=["changes"])

LOOK = 0.25
"""Seconds between looks for new events."""
BEAT = 15.0
"""Seconds after which a silent stream says that it is still there."""
LONGEST = 600.0
"""Seconds until a stream ends: the client comes back by itself, with a token that is good then."""
STREAM = "text/event-stream"

HIGHEST = 2**53
"""Position; what JSON's readers can all tell apart."""

After = Annotated[int, Query(ge=0, le=HIGHEST, description="Position that was read last; 0: none.")]
Types = Annotated[
    list[str] | None, Query(max_length=100, description="Event types; may be repeated; none: all.")
]
Wait = Annotated[float, Query(ge=0, le=50, description="Seconds to wait for an event.")]
Snapshots = Annotated[
    bool, Query(description="Also what republishing has only said again, with `snapshot: true`.")
]
Size = Annotated[int, Query(ge=1, le=1_000, description="Events at most.")]


@router.get("", response_model=ChangesOut, responses=problems(UnknownEventTypeError))
async def follow_changes(
    request: Request,
    reader: LineageReader,
    _: Asker,
    after: After = 0,
    types: Types = None,
    wait: Wait = 25.0,
    snapshots: Snapshots = False,
    limit: Size = 500,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response | ChangesOut:
    """Events behind a position; waits for one. With ``Accept: text/event-stream`` it goes on."""
    notifying.check_types(types or [])
    wanted = Wanted(types=tuple(types or ()), snapshots=snapshots)
    if STREAM in request.headers.get("accept", ""):
        start = _position(last_event_id) if last_event_id is not None else after
        stream = _stream(request, reader, wanted, start, limit)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream, media_type=STREAM, headers=headers)
    deadline = monotonic() + wait
    while True:
        found = await following.changes_after(reader, wanted, after, limit)
        if found.events or monotonic() >= deadline or await request.is_disconnected():
            events = [EventOut.of(event) for event in found.events]
            return ChangesOut(items=events, position=found.position, head=found.head)
        await asyncio.sleep(min(LOOK, max(0.0, deadline - monotonic())))


async def _stream(
    request: Request, reader: MongoLineageUnitOfWork, wanted: Wanted, after: int, limit: int
) -> AsyncIterator[bytes]:
    ends, beats = monotonic() + LONGEST, monotonic() + BEAT
    yield b"retry: 1000\n\n"
    while monotonic() < ends and not await request.is_disconnected():
        found = await following.changes_after(reader, wanted, after, limit)
        after = found.position
        for event in found.events:
            data = EventOut.of(event).model_dump_json()
            yield f"id: {event.position}\nevent: {event.type}\ndata: {data}\n\n".encode()
        if found.events:
            beats = monotonic() + BEAT
            continue
        if monotonic() >= beats:
            # Its id lets a client whose types are rare go on from here, not from long ago.
            yield f"id: {after}\n: nothing new\n\n".encode()
            beats = monotonic() + BEAT
        await asyncio.sleep(LOOK)


def _position(last_event_id: str) -> int:
    if not last_event_id.isascii() or not last_event_id.isdigit():
        raise InvalidCursorError
    position = int(last_event_id)
    if position > HIGHEST:
        raise InvalidCursorError
    return position
