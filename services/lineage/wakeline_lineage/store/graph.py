"""What came of what: the collections ``nodes``, ``edges`` and ``members``."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from wakeline_lineage.domain.nodes import Kind, Link, Node, Story
from wakeline_lineage.domain.records import Direction, Neighbour, NodeRecord
from wakeline_storage import BufferedCollection, Document

CANDIDATES = 10
"""Nodes that are named where it is not clear which one is meant."""
SHORTEST = 8
"""Characters that a shortened id has at least."""
AT_ONCE = 200
"""Nodes whose neighbours one query asks for."""
PLENTY = 5_000
"""Links in one answer of the database from which on nodes are asked one by one."""
IS_IN = "is in"
"""What a member says of its dataset version."""
VERSION = f"{Kind.DATASET_VERSION}:"


class MongoGraph:
    """Nodes by name; edges by what they say, as a set; members of dataset versions by member.

    A member has one row with all versions that hold it, not one a version: a label that is
    frozen a hundred times costs a hundred entries of an array.
    """

    def __init__(
        self, nodes: BufferedCollection, edges: BufferedCollection, members: BufferedCollection
    ) -> None:
        self._nodes = nodes
        self._edges = edges
        self._members = members
        self._told: list[tuple[Story, str]] = []

    def add(self, story: Story, event: str) -> None:
        """Add what an event tells; written with the event's position."""
        self._told.append((story, event))

    def add_members(self, version: str, members: Sequence[str]) -> None:
        """Say that a dataset version holds these accepted labels and benchmarks."""
        for member in members:
            self._members.update({"_id": member}, {"$addToSet": {"versions": version}}, upsert=True)

    def set_facts(self, name: str, facts: Mapping[str, Any]) -> None:
        """Remember something of a node that no event says."""
        changes = {f"facts.{fact}": value for fact, value in facts.items()}
        self._nodes.update({"_id": name}, {"$set": changes})

    async def flush(self, positions: Mapping[str, int]) -> None:
        """Hand what was told on to be written, each node and each edge once.

        What is there already is read first and mostly needs no write: an upsert of every one
        would cost the database more than all the rest. Nobody else can insert the same meanwhile,
        for positions are given to one transaction at a time.
        """
        told, self._told = self._told, []
        nodes: dict[Node, tuple[dict[str, Any], int]] = {}
        said_again: list[tuple[Node, str, Any]] = []
        edges: dict[Link, tuple[str, int]] = {}
        for story, event in told:
            at = positions[event]
            for node, facts in story.nodes.items():
                known, first = nodes.setdefault(node, ({}, at))
                if story.snapshot:
                    said_again += [(node, fact, value) for fact, value in facts.items()]
                else:
                    known.update(facts)
                nodes[node] = (known, min(first, at))
            for link in story.links:
                by, first = edges.get(link, (event, at))
                edges[link] = (min(by, event), min(first, at))
        await self._put_nodes(nodes)
        for node, fact, value in said_again:
            # A snapshot tells of today: what an event has told of its day stays.
            unknown = {"_id": node.name, f"facts.{fact}": {"$exists": False}}
            self._nodes.update(unknown, {"$set": {f"facts.{fact}": value}})
        await self._put_edges(edges)

    async def _put_nodes(self, nodes: Mapping[Node, tuple[Mapping[str, Any], int]]) -> None:
        names = [node.name for node in nodes]
        there = await _by_id(self._nodes, names, ("position", "facts"))
        for node, (facts, at) in nodes.items():
            row = there.get(node.name)
            if row is None:
                new = {"_id": node.name, "kind": node.kind.value, "id": node.id}
                rest = {"facts": dict(facts)} if facts else {}
                self._nodes.insert({**new, "names": list(node.names), "position": at, **rest})
                continue
            known = row.get("facts", {})
            news = {
                f"facts.{fact}": told for fact, told in facts.items() if known.get(fact) != told
            }
            if at < row["position"]:
                news["position"] = at
            if news:
                self._nodes.update({"_id": node.name}, {"$set": news})

    async def _put_edges(self, edges: Mapping[Link, tuple[str, int]]) -> None:
        ids = {link: _id_of(link) for link in edges}
        there = await _by_id(self._edges, list(ids.values()), ("by", "position"))
        for link, (by, at) in edges.items():
            row = there.get(ids[link])
            if row is None:
                ends = {"source": link.source.name, "says": link.says, "target": link.target.name}
                self._edges.insert({"_id": ids[link], **ends, "by": by, "position": at})
            elif by < row["by"] or at < row["position"]:
                # The least of all events that say so: the same whatever order they came in.
                self._edges.update({"_id": ids[link]}, {"$min": {"by": by, "position": at}})

    async def called(self, name: str) -> list[str]:
        """Names of the nodes that somebody may mean, at most ten."""
        exact = await self._find({"$or": [{"_id": name}, {"names": name}]})
        if exact or len(name) < SHORTEST:
            return exact
        begins = {"$gte": name, "$lt": f"{name}\U0010ffff"}
        return await self._find({"names": {"$elemMatch": begins}})

    async def _find(self, filter: Document) -> list[str]:
        rows = await self._nodes.find(filter, {"_id": 1}, sort=[("_id", 1)], limit=CANDIDATES)
        return [row["_id"] for row in rows]

    async def nodes(self, names: Sequence[str]) -> dict[str, NodeRecord]:
        """What is known of nodes; of one that only a manifest names, its name."""
        rows = await self._nodes.find({"_id": {"$in": list(names)}})
        found = {
            row["_id"]: NodeRecord(row["_id"], row["kind"], row["id"], row.get("facts", {}))
            for row in rows
        }
        for name in names:
            kind, _, node_id = name.partition(":")
            found.setdefault(name, NodeRecord(name, kind, node_id, {}))
        return found

    async def neighbours(
        self, names: Sequence[str], direction: Direction, fan: int, until: int
    ) -> dict[str, list[Neighbour]]:
        """Up to ``fan + 1`` neighbours of each node, by name."""
        found: dict[str, list[Neighbour]] = {}
        for start in range(0, len(names), AT_ONCE):
            some = list(names[start : start + AT_ONCE])
            links = await self._edges_of(some, direction, fan, until)
            links += await self._members_of(some, direction, fan, until)
            for link in sorted(links, key=lambda one: (one.far, one.says)):
                found.setdefault(link.near, []).append(link)
        return {name: links[: fan + 1] for name, links in found.items()}

    async def _edges_of(
        self, names: list[str], direction: Direction, fan: int, until: int
    ) -> list[Neighbour]:
        near, far = _ends(direction)
        order = [(near, 1), (far, 1)]
        seen = {"position": {"$lte": until}}
        rows = await self._edges.find({near: {"$in": names}, **seen}, sort=order, limit=PLENTY)
        if len(rows) == PLENTY:
            rows = []
            for name in names:
                rows += await self._edges.find({near: name, **seen}, sort=order, limit=fan + 1)
        return [_neighbour(row, near, far) for row in rows]

    async def _members_of(
        self, names: list[str], direction: Direction, fan: int, until: int
    ) -> list[Neighbour]:
        if direction == "back":
            links = []
            for version in (name for name in names if name.startswith(VERSION)):
                rows = await self._members.find(
                    {"versions": version}, {"_id": 1}, sort=[("_id", 1)], limit=fan + 1
                )
                links += [Neighbour(version, row["_id"], IS_IN, None) for row in rows]
            return links
        rows = await self._members.find({"_id": {"$in": names}})
        versions = list({version for row in rows for version in row["versions"]})
        told = await self._nodes.find(
            {"_id": {"$in": versions}, "position": {"$lte": until}}, {"_id": 1}
        )
        visible = {row["_id"] for row in told}
        return [
            Neighbour(row["_id"], version, IS_IN, None)
            for row in rows
            for version in row["versions"]
            if version in visible
        ]

    async def neighbours_page(
        self, name: str, direction: Direction, after: tuple[str, str], limit: int
    ) -> list[Neighbour]:
        """A node's neighbours behind one of them, in the order of their names."""
        near, far = _ends(direction)
        past, said = after
        behind = {"$or": [{far: {"$gt": past}}, {far: past, "says": {"$gt": said}}]}
        rows = await self._edges.find(
            {near: name, **behind}, sort=[(far, 1), ("says", 1)], limit=limit
        )
        links = [_neighbour(row, near, far) for row in rows]
        if direction == "back" and name.startswith(VERSION):
            held = await self._members.find(
                {"versions": name, "_id": {"$gt": past}}, {"_id": 1}, sort=[("_id", 1)], limit=limit
            )
            links += [Neighbour(name, row["_id"], IS_IN, None) for row in held]
        elif direction == "on" and (row := await self._members.find_one({"_id": name})):
            links += [Neighbour(name, one, IS_IN, None) for one in row["versions"] if one > past]
        return sorted(links, key=lambda one: (one.far, one.says))[:limit]


def _id_of(link: Link) -> bytes:
    """The digest of what an edge says: a row's own id would cost as much as all it holds."""
    said = f"{link.source.name}\n{link.says}\n{link.target.name}"
    return hashlib.sha256(said.encode()).digest()[:16]


async def _by_id(
    rows: BufferedCollection, ids: Sequence[Any], fields: Sequence[str]
) -> dict[Any, Document]:
    found = await rows.find({"_id": {"$in": ids}}, dict.fromkeys(fields, 1)) if ids else []
    return {row["_id"]: row for row in found}


def _ends(direction: Direction) -> tuple[str, str]:
    return ("target", "source") if direction == "back" else ("source", "target")


def _neighbour(row: Document, near: str, far: str) -> Neighbour:
    return Neighbour(row[near], row[far], row["says"], row["by"])
