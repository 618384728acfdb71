"""Importing metadata: CSV and JSON lines, a few lines at a time."""

import asyncio
import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TextIO

import orjson

from wakeline_ingest.domain.errors import MetadataRefusedError, TableError
from wakeline_ingest.domain.imports import ImportRecord
from wakeline_ingest.domain.metadata import (
    Statement,
    columns_of,
    statement_of,
    statement_of_row,
)
from wakeline_ingest.resources import Resources
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_ingest.usecases import describing
from wakeline_ingest.usecases.describing import Said
from wakeline_messaging import JobLease

CHUNK = 200
"""Lines between two checkpoints."""
MOST_CHARACTERS = 64 * 1024
"""Of one line."""

Lease = JobLease[MongoIngestUnitOfWork, Resources]


@dataclass
class Chunk:
    """Lines that were read, and what ended the table behind them, if it cannot be read on."""

    lines: list[Said] = field(default_factory=list)
    error: TableError | None = None


async def import_metadata(lease: Lease, record: ImportRecord, table: Path) -> None:
    """Attach what the lines of a table say to the assets that they name.

    Raises
    ------
    TableError
        If it cannot be read, or not any further; what came before is stored.
    """
    lines = islice(read(table), int(record.cursor.get("line", 0)), None)
    done = int(record.cursor.get("line", 0))
    while True:
        chunk = await asyncio.to_thread(_next_chunk, lines)
        if chunk.lines:
            done += len(chunk.lines)

            async def store(
                uow: MongoIngestUnitOfWork, said: list[Said] = chunk.lines, behind: int = done
            ) -> None:
                await describing.describe(uow, record, said, {"line": behind})

            await lease.transaction(store)
        if chunk.error is not None:
            raise chunk.error
        if not chunk.lines:
            return


def read(table: Path) -> Iterator[Said]:
    """Read the lines of a CSV file with a header, or of a file of JSON objects.

    Raises
    ------
    TableError
        If it is neither, or not UTF-8, or has a line that is too long.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            start = file.read(1)
            file.seek(0)
            yield from _objects(_lines(file)) if start == "{" else _rows(_lines(file))
    except UnicodeDecodeError as error:
        raise TableError("not-utf-8", "it is not UTF-8 throughout: save it so") from error
    except csv.Error as error:
        raise TableError("invalid-table", f"it is no CSV file: {error}") from error


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(MOST_CHARACTERS + 1):
        if len(line) > MOST_CHARACTERS:
            raise TableError("line-too-long", f"a line has over {MOST_CHARACTERS:,} characters")
        yield line


def _objects(lines: Iterator[str]) -> Iterator[Said]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield Said(f"line {number}", statement_of(orjson.loads(line)))
        except orjson.JSONDecodeError as error:
            yield Said(f"line {number}", None, "invalid-json", str(error))
        except MetadataRefusedError as error:
            yield Said(f"line {number}", None, error.code, str(error))


def _rows(lines: Iterator[str]) -> Iterator[Said]:
    rows = csv.reader(lines, strict=True)
    header = next(rows, None)
    if header is None:
        raise TableError("invalid-table", "it is empty")
    columns = columns_of(header)
    for row in rows:
        if not row:
            continue
        name = f"line {rows.line_num}"
        try:
            statement: Statement = statement_of_row(columns, row)
        except MetadataRefusedError as error:
            yield Said(name, None, error.code, str(error))
        else:
            yield Said(name, statement)


def _next_chunk(lines: Iterator[Said]) -> Chunk:
    chunk = Chunk()
    try:
        for said in islice(lines, CHUNK):
            chunk.lines.append(said)
    except TableError as error:
        chunk.error = error
    return chunk
