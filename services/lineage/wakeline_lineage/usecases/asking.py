"""Answering where something comes from, and what came of it."""

from dataclasses import dataclass

from wakeline_lineage.domain.errors import AmbiguousNodeError, UnknownNodeError
from wakeline_lineage.domain.records import Direction, Step
from wakeline_lineage.ports import Graph, LineageUnitOfWork

MOST_NODES = 10_000
"""Nodes of one answer; what is beyond is told as ``more`` on the nodes it hangs on."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far an answer goes."""

    depth: int
    fan: int
    """Neighbours of one node that are followed at most."""
    until: int
    """Links that the history told up to this position, so that all pages show one graph."""


async def resolve(uow: LineageUnitOfWork, called: str) -> str:
    """The name of the node that somebody means.

    Raises
    ------
    UnknownNodeError, AmbiguousNodeError
    """
    found = await uow.graph.called(called)
    if not found:
        raise UnknownNodeError(called)
    if len(found) > 1:
        raise AmbiguousNodeError(called, found)
    return found[0]


async def walk(graph: Graph, root: str, direction: Direction, bounds: Bounds) -> list[Step]:
    """All nodes within the bounds, nearest first, by name within one distance.

    The same graph and bounds give the same answer, so a page is a slice of it.
    """
    steps = {root: Step(root, 0)}
    level = [root]
    for depth in range(1, bounds.depth + 1):
        found = await graph.neighbours(level, direction, bounds.fan, bounds.until)
        following: list[str] = []
        for name in level:
            links = found.get(name, [])
            steps[name].more = len(links) > bounds.fan
            for link in links[: bounds.fan]:
                step = steps.get(link.far)
                if step is None and len(steps) >= MOST_NODES:
                    steps[name].more = True
                elif step is None:
                    steps[link.far] = Step(link.far, depth, [link])
                    following.append(link.far)
                elif step.depth == depth:
                    step.links.append(link)
        level = sorted(following)
        if not level:
            break
    else:
        await _mark_ends(graph, steps, level, direction, bounds)
    return sorted(steps.values(), key=lambda step: (step.depth, step.node))


async def _mark_ends(
    graph: Graph, steps: dict[str, Step], level: list[str], direction: Direction, bounds: Bounds
) -> None:
    """Say of each node at the last depth whether anything lies behind it."""
    found = await graph.neighbours(level, direction, bounds.fan, bounds.until)
    for name in level:
        links = found.get(name, [])
        unseen = any(link.far not in steps for link in links)
        steps[name].more = unseen or len(links) > bounds.fan
