"""Importing metadata: CSV and JSON lines, a few lines at a time."""

import csv
from collections.abc import Iterator
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
from wakeline_ingest.importing.chunks import chunks
from wakeline_ingest.resources import Resources
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_ingest.usecases import describing
from wakeline_ingest.usecases.describing import Said
from wakeline_messaging import JobLease

CHUNK = 200
"""Lines between two checkpoints."""
MOST_CHARACTERS = 64 * 1024
"""Of one line, and of the lines of one record."""

Lease = JobLease[MongoIngestUnitOfWork, Resources]


async def import_metadata(lease: Lease, record: ImportRecord, table: Path) -> None:
    """Attach what the lines of a table say to the assets that they name.

    Raises
    ------
    TableError
        If it cannot be read, or not any further; what came before is stored.
    """
    done = int(record.cursor.get("line", 0))
    lines = islice(read(table), done, None)
    async for chunk in chunks(lines, lambda chunk: len(chunk) >= CHUNK):
        done += len(chunk)

        async def store(
            uow: MongoIngestUnitOfWork, said: list[Said] = chunk, behind: int = done
        ) -> None:
            await describing.describe(uow, record, said, {"line": behind})

        await lease.transaction(store)


def read(table: Path) -> Iterator[Said]:
    """Read the lines of a CSV file with a header, or of a file of JSON objects.

    Raises
    ------
    TableError
        If it is neither, or not UTF-8, or has a line that is too long, or lines of one record.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            start = file.read(1)
            file.seek(0)
            lines = _Lines(file)
            yield from _objects(lines) if start == "{" else _rows(lines)
    except UnicodeDecodeError as error:
        raise TableError("not-utf-8", "it is not UTF-8 throughout: save it so") from error
    except csv.Error as error:
        raise TableError("invalid-table", f"it is no CSV file: {error}") from error


class _Lines(Iterator[str]):
    """The lines of a table; those of one record have no more characters than one line may have."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._left = MOST_CHARACTERS

    def __next__(self) -> str:
        line = self._file.readline(self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise TableError("line-too-long", f"a line has over {MOST_CHARACTERS:,} characters")
        if not line:
            raise StopIteration
        return line

    def end_record(self) -> None:
        """Begin to count again; a quote that is open goes on over any number of lines."""
        self._left = MOST_CHARACTERS


def _objects(lines: _Lines) -> Iterator[Said]:
    for number, line in enumerate(lines, start=1):
        lines.end_record()
        if not line.strip():
            continue
        try:
            yield Said(f"line {number}", statement_of(orjson.loads(line)))
        except orjson.JSONDecodeError as error:
            yield Said(f"line {number}", None, "invalid-json", str(error))
        except MetadataRefusedError as error:
            yield Said(f"line {number}", None, error.code, str(error))


def _rows(lines: _Lines) -> Iterator[Said]:
    rows = csv.reader(lines, strict=True)
    header = next(rows, None)
    if header is None:
        raise TableError("invalid-table", "it is empty")
    columns = columns_of(header)
    lines.end_record()
    for row in rows:
        lines.end_record()
        if not row:
            continue
        name = f"line {rows.line_num}"
        try:
            statement: Statement = statement_of_row(columns, row)
        except MetadataRefusedError as error:
            yield Said(name, None, error.code, str(error))
        else:
            yield Said(name, statement)
