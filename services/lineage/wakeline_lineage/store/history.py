"""Every event that was ever published: the collection ``history``."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from wakeline_lineage.domain.gaps import missing_in
from wakeline_lineage.domain.records import Completeness, KeptEvent, StreamGap
from wakeline_lineage.ports import Wanted
from wakeline_storage import BufferedCollection, Document

MOST_COUNTED = 10_000
"""Events that are counted; more are as many."""
MOST_GAPS = 100
"""Streams with gaps that one answer names."""


class MongoHistory:
    """One row an event.

    Its position is taken from one counter row in the transaction that stores it. That row stays
    locked until the transaction ends, so transactions commit in the order of their positions: a
    reader that pages by position never passes an event that commits late. Positions never fall
    behind the microseconds of the clock, so that those given after a restore are higher than all
    that were given before: a reader that comes back with an old one misses nothing either.
    """

    def __init__(self, rows: BufferedCollection, counters: BufferedCollection) -> None:
        self._rows = rows
        self._counters = counters
        self._added: list[KeptEvent] = []

    def add(self, event: KeptEvent) -> None:
        """Keep an event; it gets its position when the transaction is written."""
        self._added.append(event)

    async def flush(self) -> dict[str, int]:
        """Hand what was added on to be written: ``row_id`` -> position."""
        added, self._added = self._added, []
        if not added:
            return {}
        row = await self._counters.find_one_and_update(
            {"_id": "history"}, _moved_on(len(added)), upsert=True
        )
        assert row is not None
        first = row["position"] - len(added) + 1
        positions = {event.row_id: at for at, event in enumerate(added, first)}
        for event in added:
            self._rows.insert(_document(event, positions[event.row_id]))
        return positions

    async def position(self) -> int:
        """The position of the newest event; 0 if there is none."""
        row = await self._counters.find_one({"_id": "history"})
        return int(row["position"]) if row else 0

    async def page(self, wanted: Wanted, after: int, limit: int) -> list[KeptEvent]:
        """Events behind a position, in order."""
        rows = await self._rows.find(_filter(wanted, after), sort=[("position", 1)], limit=limit)
        return [_event(row) for row in rows]

    async def before(self, moment: datetime) -> int:
        """The position before the first event that happened at a moment or later."""
        rows = await self._rows.find(
            {"time": {"$gte": moment}}, {"position": 1}, sort=[("position", 1)], limit=1
        )
        return int(rows[0]["position"]) - 1 if rows else await self.position()

    async def count(self, wanted: Wanted, after: int) -> int:
        """How many events are behind a position, up to 10,000."""
        return await self._rows.count(_filter(wanted, after), MOST_COUNTED)

    async def completeness(self) -> Completeness:
        """Whether every stream is there from 1 on, and how many events there are of each type."""
        # The condition makes the planner read the index alone, which holds all that is asked for.
        pipeline: list[Mapping[str, Any]] = [
            {"$match": {"key": {"$gte": ""}}},
            {
                "$group": {
                    "_id": {"service": "$service", "key": "$key"},
                    "events": {"$sum": 1},
                    "highest": {"$max": "$sequence"},
                }
            },
            {
                "$facet": {
                    "totals": [{"$group": {"_id": None, "streams": {"$sum": 1}}}],
                    "gaps": [
                        {"$match": {"$expr": {"$ne": ["$events", "$highest"]}}},
                        {"$sort": {"_id": 1}},
                        {"$limit": MOST_GAPS},
                    ],
                }
            },
        ]
        (streams,) = await self._rows.aggregate(pipeline)
        counted = await self._rows.aggregate(
            [{"$match": {"type": {"$gte": ""}}}, {"$group": {"_id": "$type", "n": {"$sum": 1}}}]
        )
        types = {row["_id"]: int(row["n"]) for row in sorted(counted, key=lambda row: row["_id"])}
        return Completeness(
            position=await self.position(),
            events=sum(types.values()),
            streams=streams["totals"][0]["streams"] if streams["totals"] else 0,
            types=types,
            gaps=tuple([await self._gap(row) for row in streams["gaps"]]),
        )

    async def _gap(self, row: Document) -> StreamGap:
        stream = {"key": row["_id"]["key"], "service": row["_id"]["service"]}
        found = await self._rows.find(stream, {"_id": 0, "sequence": 1})
        return StreamGap(
            **stream,
            events=row["events"],
            highest=row["highest"],
            missing=missing_in(one["sequence"] for one in found),
        )


def _moved_on(count: int) -> list[Document]:
    microseconds = {"$multiply": [{"$toLong": "$$NOW"}, 1_000]}
    last = {"$max": [{"$ifNull": ["$position", 0]}, microseconds]}
    return [{"$set": {"position": {"$add": [last, count]}}}]


def _filter(wanted: Wanted, after: int) -> Document:
    conditions: Document = {"position": {"$gt": after}}
    if wanted.node is not None:
        conditions["nodes"] = wanted.node
    if wanted.service is not None:
        conditions["service"] = wanted.service
    if wanted.key is not None:
        conditions["key"] = wanted.key
    if wanted.types:
        conditions["type"] = {"$in": list(wanted.types)}
    if not wanted.snapshots:
        conditions["snapshot"] = {"$ne": True}
    moments = {"$gte": wanted.since, "$lt": wanted.until}
    if any(moments.values()):
        conditions["time"] = {name: at for name, at in moments.items() if at is not None}
    return conditions


def _document(event: KeptEvent, position: int) -> Document:
    return {
        "_id": event.row_id,
        "position": position,
        "service": event.service,
        "type": event.type,
        "key": event.key,
        "sequence": event.sequence,
        "event_id": event.id,
        "time": event.time,
        "dataschema": event.dataschema,
        "correlation": event.correlation,
        "snapshot": event.snapshot,
        "nodes": list(event.nodes),
        "data": event.data,
    }


def _event(row: Document) -> KeptEvent:
    return KeptEvent(
        service=row["service"],
        type=row["type"],
        key=row["key"],
        sequence=row["sequence"],
        id=row["event_id"],
        time=row["time"],
        dataschema=row["dataschema"],
        correlation=row["correlation"],
        data=bytes(row["data"]),
        nodes=tuple(row["nodes"]),
        snapshot=row.get("snapshot", False),  # not told apart by earlier releases
        position=row["position"],
    )
