"""From bytes anywhere to an arrival: fetched to a file, hashed, checked, stored."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path

from wakeline_ingest import usecases
from wakeline_ingest.checking import check
from wakeline_ingest.domain.errors import ScratchFullError
from wakeline_ingest.domain.records import Declared, asset_id_of
from wakeline_ingest.importing import references
from wakeline_ingest.ports import SentFile
from wakeline_ingest.resources import Resources
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_messaging import JobLease

LOOK_FOR_ROOM = 0.5
"""Seconds between looks for room on the disk."""


@asynccontextmanager
async def place_for_file(resources: Resources, size: int | None = None) -> AsyncIterator[Path]:
    """A path of this machine for one file, which is gone at the end; room for it is waited for.

    Parameters
    ----------
    size
        Bytes that will lie there; None: of a file of which nobody knows.
    """
    scratch = resources.scratch
    bytes = resources.max_file_bytes if size is None else size
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(scratch.claim(bytes))
                break
            except ScratchFullError:
                await asyncio.sleep(LOOK_FOR_ROOM)
        folder = held.enter_context(tempfile.TemporaryDirectory(dir=scratch.folder))
        yield Path(folder) / "file"


async def hashed(path: Path, name: str) -> SentFile:
    """Say what a file of this machine is."""

    def read() -> SentFile:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return SentFile(path, name, digest, path.stat().st_size)

    return await asyncio.to_thread(read)


async def checked_and_stored(
    resources: Resources,
    dataset_id: str,
    image: SentFile,
    declared: Declared,
    now: datetime,
    *,
    by_reference: bool = False,
) -> usecases.Arrival:
    """Check an image and put what belongs to it in place.

    Raises
    ------
    FileRefusedError
        If it cannot become an asset.
    """
    async with resources.checking:
        found = await asyncio.to_thread(check, image, {}, "stored", resources.policy)
    return await usecases.store_bytes(
        resources.depot, dataset_id, image, {}, declared, found, now, by_reference
    )


async def arrival_of(
    lease: JobLease[MongoIngestUnitOfWork, Resources],
    dataset_id: str,
    image: SentFile,
    declared: Declared,
) -> usecases.Arrival:
    """Check and store an image, unless its bytes are here already.

    Raises
    ------
    FileRefusedError
        If it cannot become an asset.
    """
    uow = lease.read()
    there = await uow.assets.get(asset_id_of(dataset_id, image.digest))
    if there is not None:
        there = await references.kept(lease.resources, there, image)
        return usecases.again(there, declared, {})
    return await checked_and_stored(lease.resources, dataset_id, image, declared, uow.now)
