"""Routes of datasets and assets."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import copy_context
from typing import Annotated

from fastapi import Depends, Query, Request
from starlette.responses import Response, StreamingResponse

from wakeline_auth import Permission, Principal
from wakeline_blobs import BlobMissingError
from wakeline_http import (
    Cursor,
    Limit,
    Page,
    Router,
    body_limit,
    decode_cursor,
    encode_cursor,
    problems,
    require,
)
from wakeline_ingest import usecases
from wakeline_ingest.api import forms
from wakeline_ingest.api.models import (
    AssetOut,
    DatasetIn,
    DatasetName,
    DatasetOut,
    DigestsIn,
    DigestsOut,
    RefusalOut,
    UploadOut,
)
from wakeline_ingest.api.together import Entry, Together
from wakeline_ingest.api.uploads import Form, received_form
from wakeline_ingest.checking import check
from wakeline_ingest.domain.errors import (
    AssetDiffersError,
    FileRefusedError,
    FileTooLargeError,
    InvalidUploadError,
    MetadataRefusedError,
    UnknownAssetError,
    UnknownDatasetError,
    UnknownParentError,
)
from wakeline_ingest.domain.records import (
    BUCKET,
    AssetRecord,
    AssetState,
    Presence,
    asset_id_of,
)
from wakeline_ingest.importing import references
from wakeline_ingest.resources import Resources
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_ingest.usecases import content_type, describing
from wakeline_process import (
    BacklogError,
    Command,
    NotBehind,
    StreamedCommand,
    command,
    reader,
    resources,
    shared,
    streamed_command,
)

router = Router(prefix="/v1", tags=["ingest"])

Sender = Annotated[Principal, Depends(require(Permission.INGEST_ASSETS))]
Viewer = Annotated[Principal, Depends(require(Permission.READ_ASSETS))]
IngestCommand = Annotated[Command[MongoIngestUnitOfWork], Depends(command)]
StreamedIngestCommand = Annotated[StreamedCommand[MongoIngestUnitOfWork], Depends(streamed_command)]
IngestReader = Annotated[MongoIngestUnitOfWork, Depends(reader)]
Sharing = Annotated[Together, Depends(shared(Together))]
IngestResources = Annotated[Resources, Depends(resources)]
"""What every route works with; the bytes' own route also needs the blobs."""
_HEADERS = {
    "Cache-Control": "private, max-age=3600, immutable",
    "X-Content-Type-Options": "nosniff",
}


@router.put("/datasets/{dataset_id}")
async def put_dataset(
    dataset_id: DatasetName, wanted: DatasetIn, _: Sender, command: IngestCommand
) -> DatasetOut:
    """Create a dataset, or show the one that is there."""

    async def create(uow: MongoIngestUnitOfWork) -> DatasetOut:
        dataset = await usecases.create_dataset(uow, dataset_id, wanted.name)
        return DatasetOut.of(dataset, (await uow.datasets.counts([dataset_id]))[dataset_id])

    return await command.run(create, DatasetOut)


@router.get("/datasets")
async def list_datasets(
    _: Viewer, uow: IngestReader, cursor: Cursor = None, limit: Limit = 100
) -> Page[DatasetOut]:
    """List the datasets by name."""
    after = decode_cursor(cursor, str)[0] if cursor else None
    found = await uow.datasets.page(after, limit)
    counts = await uow.datasets.counts([each.dataset_id for each in found])
    return Page(
        items=[DatasetOut.of(each, counts[each.dataset_id]) for each in found],
        next=encode_cursor(found[-1].dataset_id) if len(found) == limit else None,
    )


@router.get("/datasets/{dataset_id}", responses=problems(UnknownDatasetError))
async def get_dataset(dataset_id: DatasetName, _: Viewer, uow: IngestReader) -> DatasetOut:
    """Show a dataset and how far its files are."""
    dataset = await uow.datasets.get(dataset_id)
    if dataset is None:
        raise UnknownDatasetError(dataset_id)
    return DatasetOut.of(dataset, (await uow.datasets.counts([dataset_id]))[dataset_id])


@router.post(
    "/datasets/{dataset_id}/assets",
    status_code=201,
    openapi_extra=forms.UPLOAD_BODY,
    responses=problems(
        UnknownDatasetError,
        UnknownParentError,
        AssetDiffersError,
        InvalidUploadError,
        MetadataRefusedError,
        FileTooLargeError,
        FileRefusedError,
        BacklogError,
    ),
)
@body_limit(None)
async def upload_asset(
    dataset_id: DatasetName,
    request: Request,
    _: Sender,
    room: NotBehind,
    command: StreamedIngestCommand,
    uow: IngestReader,
    resources: IngestResources,
    together: Sharing,
) -> UploadOut:
    """Take in one image with its bands and masks, as a stream; the same bytes are taken once."""
    await together.require_dataset(dataset_id)
    async with received_form(request, resources.scratch, resources.max_file_bytes) as form:
        try:
            arrival = await _arrival(dataset_id, form, uow, resources, together)
        except FileRefusedError as error:
            await _write_refusal(command.without_key(), dataset_id, form, error)
            raise
    return await together.arrivals.ask(Entry(command.of(form.digest), arrival, copy_context()))


async def _arrival(
    dataset_id: str,
    form: Form,
    uow: MongoIngestUnitOfWork,
    resources: Resources,
    together: Together,
) -> usecases.Arrival:
    image, parts, declared = forms.image_of(form), forms.parts_of(form), forms.declared_of(form)
    companions = forms.companions_of(form)
    if declared.parent is not None:
        await usecases.require_known(uow, dataset_id, declared.parent)
    there = await together.asset(asset_id_of(dataset_id, image.digest))
    if there is not None:  # nothing to check: only whether it says something new
        there = await references.kept(resources, there, image)
        return usecases.again(there, declared, parts)
    async with resources.checking:
        checked = await asyncio.to_thread(check, image, parts, companions, resources.policy)
    return await usecases.store_bytes(
        resources.depot, dataset_id, image, parts, declared, checked, uow.now
    )


async def _write_refusal(
    reporting: Command[MongoIngestUnitOfWork], dataset_id: str, form: Form, error: FileRefusedError
) -> None:
    async def refuse(uow: MongoIngestUnitOfWork) -> RefusalOut:
        name = forms.declared_of(form).file_name
        return RefusalOut.of(await usecases.refuse(uow, dataset_id, name, error))

    await reporting.run(refuse, RefusalOut)


@router.get("/datasets/{dataset_id}/refusals", responses=problems(UnknownDatasetError))
async def list_refusals(
    dataset_id: DatasetName,
    _: Viewer,
    uow: IngestReader,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[RefusalOut]:
    """List the files that could not become assets, each with its reason."""
    await usecases.require_known(uow, dataset_id, None)
    after = decode_cursor(cursor, str)[0] if cursor else None
    found = await uow.datasets.refusals(dataset_id, after, limit)
    return Page(
        items=[RefusalOut.of(refusal) for _, refusal in found],
        next=encode_cursor(found[-1][0]) if len(found) == limit else None,
    )


@router.get(
    "/datasets/{dataset_id}/assets",
    responses=problems(UnknownDatasetError, MetadataRefusedError),
)
async def list_assets(
    dataset_id: DatasetName,
    _: Viewer,
    uow: IngestReader,
    state: AssetState | None = None,
    digest: Annotated[str | None, Query(pattern=r"^[0-9a-f]{64}$")] = None,
    presence: Presence | None = None,
    group: Annotated[str | None, Query(max_length=400)] = None,
    metadata: Annotated[list[str] | None, Query(max_length=8)] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[AssetOut]:
    """List a dataset's assets; each ``metadata`` is ``key=value``, and all of them must be so."""
    await usecases.require_known(uow, dataset_id, None)
    after = decode_cursor(cursor, str)[0] if cursor else None
    tags = describing.filters_of(metadata or ())
    found = await uow.assets.page(dataset_id, state, digest, presence, group, tags, after, limit)
    return Page(
        items=[AssetOut.of(asset) for asset in found],
        next=encode_cursor(found[-1].asset_id) if len(found) == limit else None,
    )


@router.post("/datasets/{dataset_id}/assets/known", responses=problems(UnknownDatasetError))
async def known_assets(
    dataset_id: DatasetName, asked: DigestsIn, _: Sender, uow: IngestReader
) -> DigestsOut:
    """Say which images need not be sent; those by reference are not ours until they are."""
    await usecases.require_known(uow, dataset_id, None)
    return DigestsOut(known=await uow.assets.known(dataset_id, asked.digests))


@router.get("/assets/{asset_id}", responses=problems(UnknownAssetError))
async def get_asset(asset_id: str, _: Viewer, uow: IngestReader) -> AssetOut:
    """Show an asset."""
    return AssetOut.of(await _asset(uow, asset_id))


@router.get("/assets/{asset_id}/image", responses=problems(UnknownAssetError, BlobMissingError))
async def get_image(
    asset_id: str, _: Viewer, uow: IngestReader, resources: IngestResources
) -> StreamingResponse:
    """Send an asset's bytes as they came in."""
    asset = await _asset(uow, asset_id)
    return await _sent(resources, asset.image, content_type(asset.format))


@router.get("/assets/{asset_id}/thumbnail", responses=problems(UnknownAssetError, BlobMissingError))
async def get_thumbnail(
    asset_id: str, _: Viewer, uow: IngestReader, resources: IngestResources
) -> Response:
    """Send a JPEG of at most 256 pixels a side."""
    asset = await _asset(uow, asset_id)
    if asset.state == "received" and (preview := await uow.assets.preview(asset_id)):
        return Response(preview.thumbnail, headers=_HEADERS, media_type=content_type("JPEG"))
    return await _sent(resources, asset.thumbnail, content_type("JPEG"))


@router.get(
    "/assets/{asset_id}/bands/{name}", responses=problems(UnknownAssetError, BlobMissingError)
)
async def get_band(
    asset_id: str, name: str, _: Viewer, uow: IngestReader, resources: IngestResources
) -> StreamingResponse:
    """Send an extra band, on the upright image's grid."""
    asset = await _asset(uow, asset_id)
    if name not in asset.bands:
        raise UnknownAssetError(f"{asset_id} has no band {name!r}")
    return await _sent(resources, asset.bands[name].key, content_type(None))


@router.get(
    "/assets/{asset_id}/masks/{name}", responses=problems(UnknownAssetError, BlobMissingError)
)
async def get_mask(
    asset_id: str, name: str, _: Viewer, uow: IngestReader, resources: IngestResources
) -> StreamingResponse:
    """Send an upstream mask, on the upright image's grid."""
    asset = await _asset(uow, asset_id)
    if name not in asset.masks:
        raise UnknownAssetError(f"{asset_id} has no mask {name!r}")
    return await _sent(resources, asset.masks[name].key, content_type(None))


async def _asset(uow: MongoIngestUnitOfWork, asset_id: str) -> AssetRecord:
    asset = await uow.assets.get(asset_id)
    if asset is None:
        raise UnknownAssetError(f"there is no asset {asset_id!r}")
    return asset


async def _sent(resources: Resources, key: str, media_type: str) -> StreamingResponse:
    info = await resources.blobs.stat(BUCKET, key)  # what is missing must show before the headers

    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in resources.blobs.stream(BUCKET, key):
            yield chunk

    headers = _HEADERS | {"Content-Length": str(info.size)}
    return StreamingResponse(chunks(), media_type=media_type, headers=headers)
