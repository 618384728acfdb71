"""Where something comes from, and what came of it."""

from typing import Annotated

from fastapi import Query

from wakeline_http import Cursor, Limit, Page, Router, decode_cursor, encode_cursor, problems
from wakeline_lineage.api.dependencies import Asker, LineageReader
from wakeline_lineage.api.models import NeighbourOut, StepOut, WalkOut
from wakeline_lineage.domain.errors import AmbiguousNodeError, UnknownNodeError
from wakeline_lineage.domain.records import Direction
from wakeline_lineage.usecases import asking

# Ids may hold a slash: whatever stands before the last word is the node.
router = Router(prefix="/v1/lineage/{node:path}", tags=["lineage"])
MISSING = problems(UnknownNodeError, AmbiguousNodeError)

Depth = Annotated[int, Query(ge=1, le=50, description="Links that are followed at most.")]
Fan = Annotated[
    int, Query(ge=1, le=1_000, description="Neighbours of one node that are followed at most.")
]


@router.get("/trace", responses=MISSING)
async def trace(
    node: str,
    reader: LineageReader,
    _: Asker,
    depth: Depth = 16,
    fan: Fan = 1_000,
    cursor: Cursor = None,
    limit: Limit = 500,
) -> WalkOut:
    """Where something comes from: everything that had a part in it, the nearest first."""
    return await _walk(reader, node, "back", depth, fan, cursor, limit)


@router.get("/impact", responses=MISSING)
async def impact(
    node: str,
    reader: LineageReader,
    _: Asker,
    depth: Depth = 16,
    fan: Fan = 1_000,
    cursor: Cursor = None,
    limit: Limit = 500,
) -> WalkOut:
    """What came of something: everything that it had a part in, the nearest first."""
    return await _walk(reader, node, "on", depth, fan, cursor, limit)


@router.get("/neighbours", responses=MISSING)
async def list_neighbours(
    node: str,
    direction: Direction,
    reader: LineageReader,
    _: Asker,
    cursor: Cursor = None,
    limit: Limit = 500,
) -> Page[NeighbourOut]:
    """A page of what hangs directly on a node, however much that is."""
    name = await asking.resolve(reader, node)
    after = decode_cursor(cursor, str, str) if cursor else ("", "")
    links = await reader.graph.neighbours_page(name, direction, after, limit)
    nodes = await reader.graph.nodes([link.far for link in links])
    following = encode_cursor(links[-1].far, links[-1].says) if len(links) == limit else None
    return Page(
        items=[NeighbourOut.of_link(link, nodes[link.far]) for link in links], next=following
    )


async def _walk(
    reader: LineageReader,
    called: str,
    direction: Direction,
    depth: int,
    fan: int,
    cursor: str | None,
    limit: int,
) -> WalkOut:
    root = await asking.resolve(reader, called)
    if cursor:
        start, until = decode_cursor(cursor, int, int)
    else:
        start, until = 0, await reader.history.position()
    steps = await asking.walk(reader.graph, root, direction, asking.Bounds(depth, fan, until))
    page = steps[start : start + limit]
    nodes = await reader.graph.nodes([step.node for step in page])
    end = start + len(page)
    return WalkOut(
        items=[StepOut.of(step, nodes[step.node]) for step in page],
        next=encode_cursor(end, until) if end < len(steps) else None,
        position=until,
        nodes=len(steps),
        complete=not any(step.more for step in steps),
    )
