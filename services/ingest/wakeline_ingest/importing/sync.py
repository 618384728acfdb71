"""Syncing a source: read what the listing says is new, and look for what it does not say."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from wakeline_blobs import (
    BlobChangedError,
    BlobError,
    BlobInfo,
    BlobMissingError,
    BlobStoreUnavailableError,
    BucketMissingError,
    SourceBucket,
)
from wakeline_ingest.domain.errors import FileRefusedError
from wakeline_ingest.domain.imports import ImportRecord
from wakeline_ingest.domain.records import Declared, asset_id_of
from wakeline_ingest.domain.sources import (
    Known,
    Listed,
    SourceRecord,
    group_of,
    has_changed,
    is_image_key,
    may_end,
    name_of,
)
from wakeline_ingest.importing import references
from wakeline_ingest.importing.reading import checked_and_stored, hashed, place_for_file
from wakeline_ingest.ports import SentFile
from wakeline_ingest.resources import Resources
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_ingest.usecases import Arrival, syncing
from wakeline_ingest.usecases.syncing import Met
from wakeline_messaging import JobLease

CHUNK = 100
"""Objects between two checkpoints: what a process that dies has to read again at most."""
MOST_CHARACTERS = 400
"""Of a file name."""
WHOLE_STORE = (BlobStoreUnavailableError, BucketMissingError)
"""What is no single object's fault."""
READS = 8
"""Objects that are fetched at the same time."""

Lease = JobLease[MongoIngestUnitOfWork, Resources]


class Sync:
    """One attempt at one sync. In memory it has a chunk of the listing, and never more."""

    def __init__(self, lease: Lease, source: SourceRecord, record: ImportRecord) -> None:
        self._lease = lease
        self._resources = lease.resources
        self._source = source
        self._import_id = record.import_id
        self._cursor = dict(record.cursor)
        self._bucket = SourceBucket(source.bucket)
        self._reading = asyncio.Semaphore(READS)

    async def run(self) -> None:
        """Go on where the attempt before ended, up to the end of the source.

        Raises
        ------
        BlobError
            If the source cannot be listed, or our own bucket not be written to:
            ``BlobStoreUnavailableError`` means later. An object that cannot be read is refused.
        """
        if not self._cursor.get("listed"):
            async for chunk in self._chunks():
                await self._take(chunk)
            await self._lease.transaction(self._has_listed)
        while missed := await self._lease.read().sources.missed(self._source, CHUNK):
            await self._look_for(missed)

    async def _has_listed(self, uow: MongoIngestUnitOfWork) -> None:
        uow.imports.advance(self._import_id, {"listed": True}, {})

    async def _chunks(self) -> AsyncIterator[list[Listed]]:
        chunk: list[Listed] = []
        blobs, prefix = self._resources.blobs, self._source.prefix
        async for info in blobs.list(self._bucket, prefix, self._cursor.get("after")):
            if len(chunk) >= CHUNK and may_end(chunk[-1].key, info.key):
                yield chunk
                chunk = []
            if is_image_key(info.key):
                chunk.append(_listed(info))
        if chunk:
            yield chunk

    async def _take(self, chunk: Sequence[Listed]) -> None:
        known = await self._lease.read().sources.known(self._source, [one.key for one in chunk])
        fresh = [one for one in chunk if has_changed(one, known.get(one.key))]
        if self._source.copy:
            fresh = await self._with_referred(fresh, chunk, known)
        found = await asyncio.gather(*(self._met(one, known.get(one.key)) for one in fresh))
        read = {one.key for one in fresh}
        same = [one.key for one in chunk if one.key not in read]

        async def store(uow: MongoIngestUnitOfWork) -> None:
            counts = await syncing.register(uow, self._source, self._import_id, found)
            counts["unchanged"] += len(same)
            uow.sources.met(self._source, same)
            uow.imports.advance(self._import_id, {"after": chunk[-1].key}, +counts)

        await self._lease.transaction(store)
        self._cursor["after"] = chunk[-1].key

    async def _with_referred(
        self, fresh: Sequence[Listed], chunk: Sequence[Listed], known: Mapping[str, Known]
    ) -> list[Listed]:
        """Add objects that are as they were, but whose assets are there by reference only."""
        ids = {each.asset_id for each in known.values() if each.asset_id is not None}
        assets = await self._lease.read().assets.several(ids)
        referred = {one.asset_id for one in assets.values() if one.by_reference}
        keys = {one.key for one in fresh}
        keys |= {key for key, each in known.items() if each.asset_id in referred}
        return [one for one in chunk if one.key in keys]

    async def _met(self, listed: Listed, known: Known | None) -> Met:
        limit = self._resources.max_file_bytes
        room = place_for_file(self._resources, min(listed.size, limit))
        async with self._reading, room as path:
            if listed.size > limit:
                why = f"it has {listed.size:,} bytes, more than the {limit:,} that are allowed"
                return Met(listed, known, None, "file-too-large", why)
            try:
                await self._resources.blobs.fetch(
                    self._bucket, listed.key, path, etag=listed.etag, limit=limit
                )
            except BlobChangedError:
                why = "it changed while it was read: the next sync takes it"
                return Met(replace(listed, etag=""), known, None, "changed-while-read", why)
            except BlobMissingError:
                why = "it went while it was to be read"
                return Met(replace(listed, etag=""), known, None, "gone-while-read", why)
            except WHOLE_STORE:
                raise
            except BlobError as error:
                return _unreadable(replace(listed, etag=""), known, error)
            try:  # what our own bucket refuses is not the object's fault, and is raised
                image = await hashed(path, name_of(self._source, listed.key))
                return Met(listed, known, await self._arrival(listed, image))
            except FileRefusedError as error:
                return Met(listed, known, None, error.code, str(error))

    async def _arrival(self, listed: Listed, image: SentFile) -> Arrival:
        dataset_id = self._source.dataset_id
        asset_id = asset_id_of(dataset_id, image.digest)
        there = await self._lease.read().assets.get(asset_id)
        if there is not None:
            if self._source.copy:
                there = await references.kept(self._resources, there, image)
            return Arrival(there, None)
        name = name_of(self._source, listed.key)[-MOST_CHARACTERS:]
        declared = Declared(name, group_of(self._source, listed.key))
        return await checked_and_stored(
            self._resources,
            dataset_id,
            image,
            declared,
            self._lease.read().now,
            by_reference=not self._source.copy,
        )

    async def _look_for(self, missed: Sequence[Known]) -> None:
        found = await asyncio.gather(*(self._sought(one) for one in missed))
        late = [one.key for one, met in zip(missed, found, strict=True) if met is None]

        async def store(uow: MongoIngestUnitOfWork) -> None:
            missing = [met for met in found if met is not None]
            counts = await syncing.lose(uow, self._source, self._import_id, missing)
            uow.sources.met(self._source, late)  # a listing may overlook what it raced with
            uow.imports.advance(self._import_id, {"listed": True}, counts)

        await self._lease.transaction(store)

    async def _sought(self, known: Known) -> Met | None:
        """Ask for an object by its name; None: it is there."""
        listed = Listed(known.key, known.etag, known.size, known.modified_at)
        async with self._reading:
            try:
                there = await self._resources.blobs.exists(self._bucket, known.key)
            except WHOLE_STORE:
                raise
            except BlobError as error:
                return _unreadable(listed, known, error)
        return None if there else Met(listed, known, None)


def _unreadable(listed: Listed, known: Known | None, error: BlobError) -> Met:
    why = f"{error}: the next sync tries it again"
    return Met(listed, known, None, error.code, why, unreadable=True)


def _listed(info: BlobInfo) -> Listed:
    return Listed(info.key, info.etag, info.size, info.modified_at)
