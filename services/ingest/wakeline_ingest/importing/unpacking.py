"""Importing an archive: a few entries at a time, unpacked, checked, stored, written down."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from wakeline_ingest.domain.archives import group_of
from wakeline_ingest.domain.errors import FileRefusedError
from wakeline_ingest.domain.imports import ImportRecord
from wakeline_ingest.domain.records import Declared
from wakeline_ingest.importing.archives import Unpacked, unpack
from wakeline_ingest.importing.chunks import chunks
from wakeline_ingest.importing.reading import arrival_of, hashed
from wakeline_ingest.resources import Resources
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_ingest.usecases import importing
from wakeline_ingest.usecases.importing import Taken
from wakeline_messaging import JobLease

CHUNK = 20
"""Entries between two checkpoints at most."""
CHUNK_BYTES = 64 * 1024 * 1024
"""Bytes that lie unpacked between two checkpoints, but for one entry more."""

Lease = JobLease[MongoIngestUnitOfWork, Resources]


async def import_archive(lease: Lease, record: ImportRecord, archive: Path) -> None:
    """Make assets of an archive's entries, from where the attempt before has ended.

    Raises
    ------
    ArchiveError
        If it is none, is damaged, or holds more than it may; what came before is stored.
    """
    folder = archive.parent / "entries"
    folder.mkdir()
    behind = int(record.cursor.get("entry", 0))
    entries = unpack(archive, folder, lease.resources.archives, behind)
    async for chunk in chunks(entries, _is_full):
        await _take(lease, record, chunk)


def _is_full(chunk: Sequence[Unpacked]) -> bool:
    size = sum(entry.path.stat().st_size for entry in chunk if entry.path is not None)
    return len(chunk) >= CHUNK or size >= CHUNK_BYTES


async def _take(lease: Lease, record: ImportRecord, entries: Sequence[Unpacked]) -> None:
    found = await asyncio.gather(*(_taken(lease, record, entry) for entry in entries))
    cursor = {"entry": entries[-1].number}

    async def store(uow: MongoIngestUnitOfWork) -> None:
        await importing.take(uow, record.import_id, found, cursor)

    await lease.transaction(store)


async def _taken(lease: Lease, record: ImportRecord, entry: Unpacked) -> Taken:
    if entry.path is None:
        return Taken(_printable(entry.name), None, entry.code, entry.message)
    group = group_of(entry.name, bool(record.options.get("group_from_folder")))
    declared = Declared(entry.name, group)
    try:
        image = await hashed(entry.path, entry.name)
        return Taken(entry.name, await arrival_of(lease, record.dataset_id, image, declared))
    except FileRefusedError as error:
        return Taken(entry.name, None, error.code, str(error))
    finally:
        await asyncio.to_thread(entry.path.unlink)


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name[:400])
