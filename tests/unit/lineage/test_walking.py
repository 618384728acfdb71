"""Walking the graph: bounds, cycles, and what is said of what lies beyond."""

from collections.abc import Mapping, Sequence
from typing import Any

from wakeline_lineage.domain.nodes import Story
from wakeline_lineage.domain.records import Direction, Neighbour, NodeRecord
from wakeline_lineage.usecases import asking
from wakeline_lineage.usecases.asking import Bounds, walk


class FakeGraph:
    """A graph of pairs, read forwards."""

    def __init__(self, *pairs: str) -> None:
        self.links = sorted((pair[0], pair[1]) for pair in pairs)

    async def neighbours(
        self, names: Sequence[str], direction: Direction, fan: int, until: int
    ) -> dict[str, list[Neighbour]]:
        return {
            name: [Neighbour(name, b, "to", None) for a, b in self.links if a == name][: fan + 1]
            for name in names
        }

    def add(self, story: Story, event: str) -> None: ...
    def add_members(self, version: str, members: Sequence[str]) -> None: ...
    def set_facts(self, name: str, facts: Mapping[str, Any]) -> None: ...
    async def called(self, name: str) -> list[str]:
        return [name]

    async def nodes(self, names: Sequence[str]) -> dict[str, NodeRecord]:
        return {}

    async def neighbours_page(
        self, name: str, direction: Direction, after: tuple[str, str], limit: int
    ) -> list[Neighbour]:
        return []


async def walked(graph: FakeGraph, *, depth: int = 9, fan: int = 9) -> dict[str, tuple[int, bool]]:
    steps = await walk(graph, "a", "on", Bounds(depth, fan, 0))
    return {step.node: (step.depth, step.more) for step in steps}


async def test_a_cycle_ends_and_each_node_stands_at_its_nearest() -> None:
    graph = FakeGraph("ab", "bc", "ca", "ac")
    assert await walked(graph) == {"a": (0, False), "b": (1, False), "c": (1, False)}


async def test_all_ways_to_a_node_of_one_length_are_told() -> None:
    steps = await walk(FakeGraph("ab", "ac", "bd", "cd"), "a", "on", Bounds(9, 9, 0))
    assert [(step.node, len(step.links)) for step in steps] == [
        ("a", 0),
        ("b", 1),
        ("c", 1),
        ("d", 2),
    ]


async def test_a_node_says_that_more_hangs_on_it_than_was_followed() -> None:
    assert (await walked(FakeGraph("ab", "ac", "ad"), fan=2))["a"] == (0, True)
    assert set(await walked(FakeGraph("ab", "ac", "ad"), fan=2)) == {"a", "b", "c"}


async def test_the_last_depth_says_where_it_goes_on_and_only_there() -> None:
    assert await walked(FakeGraph("ab", "ac", "bd"), depth=1) == {
        "a": (0, False),
        "b": (1, True),
        "c": (1, False),
    }


async def test_an_answer_has_a_size(monkeypatch: Any) -> None:
    monkeypatch.setattr(asking, "MOST_NODES", 2)
    assert await walked(FakeGraph("ab", "ac")) == {"a": (0, True), "b": (1, False)}
