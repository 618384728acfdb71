"""References: where they lead is decided in transactions, and written down here afterwards."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from wakeline_blobs import BlobError, BlobStoreUnavailableError, Reference, SourceBucket
from wakeline_events.base import AssetId
from wakeline_ingest.domain.records import BUCKET, AssetRecord, image_key, reference_key
from wakeline_ingest.domain.sources import Place
from wakeline_ingest.ports import SentFile
from wakeline_ingest.resources import Resources
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_ingest.usecases import content_type

MOST_PLACES = 10
"""Copies of one image that are looked at to find one that answers."""
JSON = "application/json"


async def write(
    resources: Resources, uow: MongoIngestUnitOfWork, asset_ids: Sequence[AssetId]
) -> dict[AssetId, Place | None]:
    """Let the references of assets lead to where their bytes are, and return where that is.

    Of an asset whose bytes are nowhere (None) the reference stays as it is.
    """

    async def of(asset: AssetRecord) -> Place | None:
        place = await _place(resources, uow, asset)
        if place is not None:
            await _point(resources, asset, place)
        return place

    assets = await uow.assets.several(asset_ids)
    places = await asyncio.gather(*map(of, assets.values()))
    return dict(zip(assets, places, strict=True))


async def kept(resources: Resources, asset: AssetRecord, sent: SentFile) -> AssetRecord:
    """Keep the bytes of an asset by reference; of any other they are here already.

    Its reference leads to our copy before its record says so: whoever is told then can read it,
    and that is never wrong, for our copy stays.
    """
    if not asset.by_reference:
        return asset
    own = replace(asset, image=image_key(asset.dataset_id, asset.digest))
    await resources.depot.put_file(own.image, sent.path, content_type(asset.format))
    await _point(resources, own, await _own(resources, own))
    return own


async def _own(resources: Resources, asset: AssetRecord) -> Place:
    found = await resources.blobs.stat(BUCKET, asset.image)
    return Place("", resources.bucket_prefix + BUCKET, asset.image, found.etag, found.size)


async def _place(
    resources: Resources, uow: MongoIngestUnitOfWork, asset: AssetRecord
) -> Place | None:
    """Where an asset's bytes are: of several places the first that answers, or else the last."""
    if not asset.by_reference:
        return await _own(resources, asset)
    places = await uow.sources.places(asset.asset_id, MOST_PLACES)
    for place in places[:-1]:
        if await _answers(resources, place):
            return place
    return places[-1] if places else None


async def _answers(resources: Resources, place: Place) -> bool:
    try:
        found = await resources.blobs.stat(SourceBucket(place.bucket), place.key)
    except BlobStoreUnavailableError:
        raise
    except BlobError:
        return False
    return found.etag == place.etag


async def _point(resources: Resources, asset: AssetRecord, place: Place) -> None:
    reference = Reference(
        bucket=place.bucket,
        key=place.key,
        etag=place.etag,
        digest=asset.digest,
        bytes=place.size,
    )
    key = reference_key(asset.dataset_id, asset.digest)
    await resources.depot.put(key, reference.model_dump_json().encode(), JSON)
