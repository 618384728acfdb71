"""Routes of sources, and of imports with their reports."""

from datetime import datetime
from typing import Annotated
from uuid import uuid4

from fastapi import Query

from wakeline_blobs import BlobAccessDeniedError, BucketMissingError, SourceBucket
from wakeline_http import Cursor, Limit, Page, Router, decode_cursor, encode_cursor, problems
from wakeline_ingest import usecases
from wakeline_ingest.api.import_models import (
    ImportOut,
    LineOut,
    SourceIn,
    SourceName,
    SourceOut,
)
from wakeline_ingest.api.models import DatasetName
from wakeline_ingest.api.routes import (
    IngestCommand,
    IngestReader,
    IngestResources,
    Sender,
    Viewer,
)
from wakeline_ingest.domain.errors import (
    SourceDiffersError,
    SourceRefusedError,
    UnknownDatasetError,
    UnknownImportError,
    UnknownSourceError,
)
from wakeline_ingest.domain.imports import Outcome
from wakeline_ingest.domain.sources import SourceRecord, refuse_bucket
from wakeline_ingest.resources import Resources
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_ingest.usecases import importing, syncing

router = Router(prefix="/v1/datasets/{dataset_id}", tags=["imports"])


@router.put(
    "/sources/{source_id}",
    responses=problems(UnknownDatasetError, SourceRefusedError, SourceDiffersError),
)
async def put_source(
    dataset_id: DatasetName,
    source_id: SourceName,
    wanted: SourceIn,
    _: Sender,
    command: IngestCommand,
    resources: IngestResources,
) -> SourceOut:
    """Make the images of a bucket assets by reference; nothing is read before the first sync."""
    refuse_bucket(wanted.bucket, resources.source_buckets, resources.bucket_prefix)
    await _refuse_unreadable(resources, wanted.bucket)

    async def create(uow: MongoIngestUnitOfWork) -> SourceOut:
        source = SourceRecord(
            dataset_id,
            source_id,
            wanted.bucket,
            wanted.prefix,
            wanted.group_from_folder,
            uow.now,
            copy=wanted.copy_bytes,
        )
        return SourceOut.of(await syncing.create_source(uow, source))

    return await command.run(create, SourceOut)


async def _refuse_unreadable(resources: Resources, bucket: str) -> None:
    try:
        async for _ in resources.blobs.list(SourceBucket(bucket)):
            return
    except (BlobAccessDeniedError, BucketMissingError) as error:
        raise SourceRefusedError(f"the bucket {bucket!r} cannot be read: {error}") from error


@router.get("/sources", responses=problems(UnknownDatasetError))
async def list_sources(
    dataset_id: DatasetName,
    _: Viewer,
    uow: IngestReader,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[SourceOut]:
    """List a dataset's sources by name."""
    await usecases.require_known(uow, dataset_id, None)
    after = decode_cursor(cursor, str)[0] if cursor else None
    found = await uow.sources.page(dataset_id, after, limit)
    return Page(
        items=[SourceOut.of(source) for source in found],
        next=encode_cursor(found[-1].source_id) if len(found) == limit else None,
    )


@router.get("/sources/{source_id}", responses=problems(UnknownDatasetError, UnknownSourceError))
async def get_source(
    dataset_id: DatasetName, source_id: SourceName, _: Viewer, uow: IngestReader
) -> SourceOut:
    """Show a source."""
    return SourceOut.of(await syncing.find_source(uow, dataset_id, source_id))


@router.post(
    "/sources/{source_id}/sync",
    status_code=202,
    responses=problems(UnknownDatasetError, UnknownSourceError, SourceRefusedError),
)
async def sync_source(
    dataset_id: DatasetName,
    source_id: SourceName,
    _: Sender,
    command: IngestCommand,
    resources: IngestResources,
) -> ImportOut:
    """Begin to look for new, changed and gone objects; while that goes on, it is shown again."""
    import_id = uuid4().hex

    async def begin(uow: MongoIngestUnitOfWork) -> ImportOut:
        source = await syncing.find_source(uow, dataset_id, source_id)
        refuse_bucket(source.bucket, resources.source_buckets, resources.bucket_prefix)
        return ImportOut.of(await syncing.begin_sync(uow, dataset_id, source_id, import_id))

    return await command.run(begin, ImportOut)


@router.get("/imports", responses=problems(UnknownDatasetError))
async def list_imports(
    dataset_id: DatasetName,
    _: Viewer,
    uow: IngestReader,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[ImportOut]:
    """List a dataset's imports, the newest first."""
    await usecases.require_known(uow, dataset_id, None)
    before = None
    if cursor:
        at, name = decode_cursor(cursor, datetime, str)
        before = at, name
    found = await uow.imports.page(dataset_id, before, limit)
    return Page(
        items=[ImportOut.of(record) for record in found],
        next=encode_cursor(found[-1].created_at, found[-1].import_id)
        if len(found) == limit
        else None,
    )


@router.get("/imports/{import_id}", responses=problems(UnknownDatasetError, UnknownImportError))
async def get_import(
    dataset_id: DatasetName, import_id: str, _: Viewer, uow: IngestReader
) -> ImportOut:
    """Show an import and how far it is."""
    return ImportOut.of(await importing.find_import(uow, dataset_id, import_id))


@router.get(
    "/imports/{import_id}/lines", responses=problems(UnknownDatasetError, UnknownImportError)
)
async def list_import_lines(
    dataset_id: DatasetName,
    import_id: str,
    _: Viewer,
    uow: IngestReader,
    outcome: Annotated[list[Outcome] | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[LineOut]:
    """List what became of each object, entry, URL or line; what was as before has no line."""
    await importing.find_import(uow, dataset_id, import_id)
    after = decode_cursor(cursor, str)[0] if cursor else None
    found = await uow.imports.lines(import_id, outcome or (), after, limit)
    return Page(
        items=[LineOut.of(line) for _, line in found],
        next=encode_cursor(found[-1][0]) if len(found) == limit else None,
    )


@router.post(
    "/imports/{import_id}/cancel", responses=problems(UnknownDatasetError, UnknownImportError)
)
async def cancel_import(
    dataset_id: DatasetName, import_id: str, _: Sender, command: IngestCommand
) -> ImportOut:
    """End an import where it is; what it has brought stays."""

    async def cancel(uow: MongoIngestUnitOfWork) -> ImportOut:
        return ImportOut.of(await importing.cancel(uow, dataset_id, import_id))

    return await command.run(cancel, ImportOut)
