"""Load, decide, store, emit: what happens to an image between the door and ``asset.ingested``."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from wakeline_events.base import AssetId, DatasetId
from wakeline_ingest.checking import Checked
from wakeline_ingest.domain import grouping, records
from wakeline_ingest.domain.errors import (
    FileRefusedError,
    TurnTakenError,
    UnknownDatasetError,
    UnknownParentError,
)
from wakeline_ingest.domain.fingerprints import Fingerprint, candidate_keys
from wakeline_ingest.domain.grouping import Grouping, Relative
from wakeline_ingest.domain.near_duplicates import Resemblance, resemblance
from wakeline_ingest.domain.records import (
    AssetRecord,
    DatasetRecord,
    Declared,
    StoredPart,
    asset_id_of,
    refuse_difference,
)
from wakeline_ingest.ports import Depot, Filed, IngestUnitOfWork, Library, Refusal, SentFile

GROUP_JOB = "group"
MOST_CANDIDATES = 40
"""Assets that a new one is compared with, however large the dataset is."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An upload whose bytes are checked and stored: ready to be written down."""

    asset: AssetRecord
    fingerprint: Filed | None
    """None: the image was there already."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An asset and the group it was found to belong to."""

    asset: AssetRecord
    grouping: Grouping


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write down of one dataset, if nobody has placed assets of it meanwhile."""

    dataset_id: DatasetId
    turn: int
    placed: Sequence[Placed]


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
    reference: bytes | None = None,
) -> Arrival:
    """Put the bytes where they stay, before anything says that they are there.

    Keys hold digests: whoever does the same again stores the same bytes under the same keys.

    Parameters
    ----------
    reference : says where the image's bytes stay, where they are not to be copied
    """
    facts, digest = checked.facts, image.digest
    if reference is None:
        key = records.image_key(dataset_id, digest)
        await depot.put_file(key, image.path, content_type(facts.format))
    else:
        key = records.reference_key(dataset_id, digest)
        await depot.put(key, reference, "application/json")
    small = records.thumbnail_key(dataset_id, digest)
    await depot.put(small, checked.thumbnail, content_type("JPEG"))
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
        thumbnail=small,
        declared=declared,
        received_at=now,
        bands=_named("band.", stored),
        masks=_named("mask.", stored),
    )
    keys = tuple(candidate_keys(checked.fingerprint))
    filed = Filed(asset.asset_id, dataset_id, keys, checked.fingerprint.to_bytes(), None)
    return Arrival(asset, filed)


def content_type(format: str | None) -> str:
    """Return the media type of an image format; bands and masks keep theirs to themselves."""
    return f"image/{format.lower()}" if format else "application/octet-stream"


def again(there: AssetRecord, declared: Declared, parts: Mapping[str, SentFile]) -> Arrival:
    """Make an arrival of an image that is there; `receive` compares what is said of it."""
    sent = {name: StoredPart("", part.digest) for name, part in parts.items()}
    bands, masks = _named("band.", sent), _named("mask.", sent)
    return Arrival(replace(there, declared=declared, bands=bands, masks=masks), None)


async def receive(uow: IngestUnitOfWork, arrival: Arrival) -> tuple[AssetRecord, bool]:
    """Write an asset down and ask for its group; the same bytes again change nothing.

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
        return there, True
    assert arrival.fingerprint is not None  # nothing ever leaves a dataset
    uow.assets.add(asset, arrival.fingerprint)
    # A job an asset: with one a dataset, every upload would write the same row, and a process
    # that is killed in its transaction would hold up all of them until the database gives it up.
    uow.enqueue(GROUP_JOB, asset.asset_id, {})
    return asset, False


async def refuse(
    uow: IngestUnitOfWork, dataset_id: DatasetId, file_name: str, error: FileRefusedError
) -> Refusal:
    """Write a refused file into the dataset's report."""
    part = str(error.extra["part"])
    refusal = Refusal(dataset_id, file_name, part, error.code, str(error), uow.now)
    uow.datasets.refuse(refusal)
    return refusal


async def plan_groups(library: Library, asset_ids: Iterable[AssetId]) -> list[Plan]:
    """Find the groups of new assets, those that came first first; a plan for each dataset."""
    waiting = [a for a in await library.assets(asset_ids) if a.group is None]
    waiting.sort(key=lambda asset: (asset.dataset_id, asset.received_at, asset.asset_id))
    plans = []
    for dataset_id, assets in groupby(waiting, key=lambda asset: asset.dataset_id):
        turn = await library.turn(dataset_id)
        placed = await _placed(library, {asset.asset_id: asset for asset in assets})
        plans.append(Plan(dataset_id, turn, placed))
    return plans


async def place(uow: IngestUnitOfWork, plans: Iterable[Plan]) -> None:
    """Write groups down and tell everyone of the assets.

    Raises
    ------
    TurnTakenError
        If another process has placed assets of one of the datasets meanwhile.
    """
    for plan in plans:
        if not await uow.datasets.take_turn(plan.dataset_id, plan.turn):
            raise TurnTakenError(plan.dataset_id)
        for each in plan.placed:
            found = each.grouping
            uow.assets.place(each.asset.asset_id, found.group, found.neighbours)
            uow.emit(records.ingested(each.asset, found.group, found.neighbours))


async def _placed(library: Library, assets: dict[AssetId, AssetRecord]) -> list[Placed]:
    groups = await _with_parents(library, assets)
    parents = {a.asset_id: a.declared.parent for a in assets.values() if a.declared.parent}
    filed = await library.fingerprints(assets)
    placed: list[Placed] = []
    for asset_id in grouping.parents_first(assets, parents):
        asset, mine = assets[asset_id], filed[asset_id]
        earlier = [replace(filed[p.asset.asset_id], group=p.grouping.group) for p in placed]
        others = _sharing(mine, earlier) + await library.candidates(mine, MOST_CANDIDATES)
        copies = await asyncio.to_thread(_copies, mine, others)
        parent = asset.declared.parent
        relative = Relative(parent, groups[parent]) if parent else None
        found = grouping.place(asset.digest, asset.declared.group, relative, copies)
        groups[asset_id] = found.group
        placed.append(Placed(asset, found))
    return placed


async def _with_parents(library: Library, assets: dict[AssetId, AssetRecord]) -> dict[AssetId, str]:
    """Add parents that have no group yet, and return the groups of those that have one."""
    groups: dict[AssetId, str] = {}
    missing = {a.declared.parent for a in assets.values() if a.declared.parent} - assets.keys()
    while missing:
        found = await library.assets(filter(None, missing))
        groups.update({a.asset_id: a.group for a in found if a.group is not None})
        assets.update({a.asset_id: a for a in found if a.group is None})
        asked = {a.declared.parent for a in assets.values() if a.declared.parent}
        missing = asked - assets.keys() - groups.keys()
    return groups


def _sharing(mine: Filed, others: Sequence[Filed]) -> list[Filed]:
    keys = set(mine.keys)
    return [other for other in others if not keys.isdisjoint(other.keys)]


def _copies(mine: Filed, others: Sequence[Filed]) -> list[Relative]:
    """Compare with each candidate, and return the copies, the most alike first."""
    ours = Fingerprint.from_bytes(mine.data)
    found: list[tuple[Resemblance, Filed]] = []
    for other in others:
        how = resemblance(ours, Fingerprint.from_bytes(other.data))
        if how is not None:
            found.append((how, other))
    found.sort(key=lambda one: (-one[0].points, -one[0].correlation, one[1].asset_id))
    return [Relative(other.asset_id, other.group or "") for _, other in found]


def _named(prefix: str, parts: Mapping[str, StoredPart]) -> dict[str, StoredPart]:
    return {n.removeprefix(prefix): p for n, p in parts.items() if n.startswith(prefix)}


def _digests(parts: Mapping[str, StoredPart]) -> dict[str, str]:
    return {name: part.digest for name, part in parts.items()}
