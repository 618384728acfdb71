"""Imports and their reports in MongoDB."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from wakeline_events.base import DatasetId
from wakeline_ingest.domain.imports import ENDED, ImportRecord, ImportState, Line, Outcome
from wakeline_storage import BufferedCollection


class MongoImports:
    """`wakeline_ingest.ports.Imports`."""

    def __init__(self, imports: BufferedCollection, lines: BufferedCollection) -> None:
        self._imports = imports
        self._lines = lines

    async def get(self, import_id: str) -> ImportRecord | None:
        """The import of this name."""
        row = await self._imports.find_one({"_id": import_id})
        return _record(row) if row else None

    def add(self, record: ImportRecord) -> None:
        """Write a new import down."""
        document = asdict(record)
        self._imports.insert({"_id": document.pop("import_id"), **document})

    async def page(
        self, dataset_id: DatasetId, before: tuple[datetime, str] | None, limit: int
    ) -> list[ImportRecord]:
        """Imports of a dataset, the newest first, older than ``before``."""
        wanted: dict[str, Any] = {"dataset_id": dataset_id}
        if before is not None:
            at, name = before
            older = {"created_at": at, "_id": {"$lt": name}}
            wanted["$or"] = [{"created_at": {"$lt": at}}, older]
        order = [("created_at", -1), ("_id", -1)]
        rows = await self._imports.find(wanted, sort=order, limit=limit)
        return [_record(row) for row in rows]

    def advance(
        self, import_id: str, cursor: Mapping[str, Any], counts: Mapping[Outcome, int]
    ) -> None:
        """Move on, in the transaction of the effects that are counted."""
        change: dict[str, Any] = {"$set": {"cursor": dict(cursor), "state": "running"}}
        if counts:
            change["$inc"] = {f"counts.{outcome}": number for outcome, number in counts.items()}
        self._imports.update({"_id": import_id}, change)

    def end(
        self,
        import_id: str,
        state: ImportState,
        at: datetime,
        code: str | None = None,
        message: str | None = None,
    ) -> None:
        """End an import, unless it has ended."""
        change = {"state": state, "ended_at": at, "code": code, "message": message}
        unended = {"_id": import_id, "state": {"$nin": list(ENDED)}}
        self._imports.update(unended, {"$set": change})

    def report(self, import_id: str, line: Line) -> None:
        """Add a line to the report; one of the same name and outcome takes its place."""
        name = hashlib.sha256(f"{line.outcome}:{line.name}".encode()).hexdigest()[:32]
        row_id = f"{import_id}:{name}"
        document = {"_id": row_id, "import_id": import_id, **asdict(line)}
        self._lines.replace({"_id": row_id}, document, upsert=True)

    async def lines(
        self, import_id: str, outcomes: Sequence[Outcome], after: str | None, limit: int
    ) -> list[tuple[str, Line]]:
        """Lines of a report with their positions, behind ``after``."""
        wanted: dict[str, Any] = {"import_id": import_id}
        if outcomes:
            wanted["outcome"] = {"$in": list(outcomes)}
        if after is not None:
            wanted["_id"] = {"$gt": after}
        rows = await self._lines.find(wanted, sort=[("_id", 1)], limit=limit)
        return [(row.pop("_id"), _line(row)) for row in rows]


def _record(row: dict[str, Any]) -> ImportRecord:
    return ImportRecord(import_id=row["_id"], **{k: v for k, v in row.items() if k != "_id"})


def _line(row: dict[str, Any]) -> Line:
    return Line(**{name: row[name] for name in Line.__dataclass_fields__})
