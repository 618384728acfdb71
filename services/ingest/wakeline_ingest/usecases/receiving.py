"""Load, decide, store: what happens to an image between the door and its place in a dataset."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from wakeline_events.base import AssetId, DatasetId
from wakeline_events.ingest import AssetRestored
from wakeline_ingest.checking import Checked
from wakeline_ingest.domain import records
from wakeline_ingest.domain.errors import (
    FileRefusedError,
    UnknownDatasetError,
    UnknownParentError,
)
from wakeline_ingest.domain.records import (
    AssetRecord,
    DatasetRecord,
    Declared,
    StoredPart,
    asset_id_of,
    refuse_difference,
)
from wakeline_ingest.ports import Depot, IngestUnitOfWork, Preview, Refusal, SentFile

GROUP_JOB = "group"
REFER_JOB = "refer"


@dataclass(frozen=True, slots=True)
class Arrival:
    """An upload whose bytes are checked and stored: ready to be written down."""

    asset: AssetRecord
    preview: Preview | None
    """None: the image was there already."""


async def create_dataset(
    uow: IngestUnitOfWork, dataset_id: DatasetId, name: str | None
) -> DatasetRecord:
    """Create a dataset, or return the one that is there."""
    there = await uow.datasets.get(dataset_id)
    if there is not None:
        return there
    return await uow.datasets.create(DatasetRecord(dataset_id, name or dataset_id, uow.now))


async def require_known(
    uow: IngestUnitOfWork, dataset_id: DatasetId, parent: AssetId | None
) -> None:
    """Check that the dataset is there, and the parent in it.

    Raises
    ------
    UnknownDatasetError, UnknownParentError
    """
    if await uow.datasets.get(dataset_id) is None:
        raise UnknownDatasetError(dataset_id)
    if parent is not None:
        found = await uow.assets.get(parent)
        if found is None or found.dataset_id != dataset_id:
            raise UnknownParentError(parent)


async def store_bytes(
    depot: Depot,
    dataset_id: DatasetId,
    image: SentFile,
    parts: Mapping[str, SentFile],
    declared: Declared,
    checked: Checked,
    now: datetime,
    by_reference: bool = False,
) -> Arrival:
    """Put the bytes where they stay, before anything says that they are there.

    Keys hold digests: whoever does the same again stores the same bytes under the same keys.

    Parameters
    ----------
    by_reference : whether the image's bytes stay where they are, and are not to be copied
    """
    facts, digest = checked.facts, image.digest
    if by_reference:
        key = records.reference_key(dataset_id, digest)
    else:
        key = records.image_key(dataset_id, digest)
        await depot.put_file(key, image.path, content_type(facts.format))
    stored: dict[str, StoredPart] = {}
    for name, sent in parts.items():
        part = StoredPart(records.part_key(dataset_id, digest, name, sent.digest), sent.digest)
        if name in checked.turned:
            await depot.put(part.key, checked.turned[name], content_type(None))
        else:
            await depot.put_file(part.key, sent.path, content_type(None))
        stored[name] = part
    asset = AssetRecord(
        asset_id=asset_id_of(dataset_id, digest),
        dataset_id=dataset_id,
        digest=digest,
        format=facts.format,
        width=facts.width,
        height=facts.height,
        channels=facts.channels,
        bits=facts.bits,
        bytes=image.bytes,
        image=key,
        thumbnail=records.thumbnail_key(dataset_id, digest),
        declared=declared,
        received_at=now,
        bands=_named("band.", stored),
        masks=_named("mask.", stored),
    )
    return Arrival(asset, Preview(asset.asset_id, checked.thumbnail, checked.sketch))


def content_type(format: str | None) -> str:
    """Return the media type of an image format; bands and masks keep theirs to themselves."""
    return f"image/{format.lower()}" if format else "application/octet-stream"


def again(there: AssetRecord, declared: Declared, parts: Mapping[str, SentFile]) -> Arrival:
    """Make an arrival of an image that is there; `receive` compares what is said of it."""
    sent = {name: StoredPart("", part.digest) for name, part in parts.items()}
    bands, masks = _named("band.", sent), _named("mask.", sent)
    return Arrival(replace(there, declared=declared, bands=bands, masks=masks), None)


async def receive(uow: IngestUnitOfWork, arrival: Arrival) -> tuple[AssetRecord, bool]:
    """Write an asset down and ask for its group; the same bytes again say nothing new.

    Returns
    -------
    asset, and whether it was there before

    Raises
    ------
    UnknownDatasetError, UnknownParentError, AssetDiffersError
    """
    asset = arrival.asset
    await require_known(uow, asset.dataset_id, asset.declared.parent)
    there = await uow.assets.get(asset.asset_id)
    if there is not None:
        refuse_difference(there, asset.declared, _digests(asset.bands), _digests(asset.masks))
        if is_kept_by(there, arrival):
            there = keep(uow, there)
        return there, True
    assert arrival.preview is not None  # nothing ever leaves a dataset
    uow.assets.add(asset, arrival.preview)
    # A job an asset: with one a dataset, every upload would write the same row, and a process
    # that is killed in its transaction would hold up all of them until the database gives it up.
    uow.enqueue(GROUP_JOB, asset.asset_id, {})
    return asset, False


def is_kept_by(there: AssetRecord, arrival: Arrival) -> bool:
    """Whether an arrival has stored the bytes of an asset that was by reference until now."""
    return there.by_reference and not arrival.asset.by_reference


def keep(uow: IngestUnitOfWork, there: AssetRecord) -> AssetRecord:
    """Let an asset by reference hang on no source any more: its bytes are stored as ours."""
    kept = replace(
        there,
        image=records.image_key(there.dataset_id, there.digest),
        presence="here",
        absent_since=None,
        superseded_by=None,
    )
    uow.assets.put_presence(kept)
    # Who reads it knows the reference. What a job that runs has just read may be written to that
    # after our copy was: it is asked for again.
    uow.enqueue(REFER_JOB, there.asset_id, {})
    if there.state == "ingested" and there.presence != "here":
        uow.emit(AssetRestored(asset_id=there.asset_id))
    return kept


async def refuse(
    uow: IngestUnitOfWork, dataset_id: DatasetId, file_name: str, error: FileRefusedError
) -> Refusal:
    """Write a refused file into the dataset's report."""
    part = str(error.extra["part"])
    refusal = Refusal(dataset_id, file_name, part, error.code, str(error), uow.now)
    uow.datasets.refuse(refusal)
    return refusal


def _named(prefix: str, parts: Mapping[str, StoredPart]) -> dict[str, StoredPart]:
    return {n.removeprefix(prefix): p for n, p in parts.items() if n.startswith(prefix)}


def _digests(parts: Mapping[str, StoredPart]) -> dict[str, str]:
    return {name: part.digest for name, part in parts.items()}
