"""Sources: what a sync makes of the objects that a listing, and then their bytes, showed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from wakeline_events.base import AssetId, DatasetId
from wakeline_events.ingest import AssetRestored
from wakeline_ingest.domain import records
from wakeline_ingest.domain.errors import (
    CopyLostError,
    SourceDiffersError,
    UnknownSourceError,
)
from wakeline_ingest.domain.imports import ImportRecord, Line, Outcome
from wakeline_ingest.domain.records import AssetRecord
from wakeline_ingest.domain.sources import (
    Known,
    Listed,
    Place,
    SourceRecord,
    name_of,
)
from wakeline_ingest.ports import IngestUnitOfWork
from wakeline_ingest.usecases.receiving import (
    GROUP_JOB,
    REFER_JOB,
    Arrival,
    is_kept_by,
    keep,
    require_known,
)

SYNC_JOB = "sync"


@dataclass(frozen=True, slots=True)
class Met:
    """An object that had to be read, and what came of it."""

    listed: Listed
    known: Known | None
    """As it was before."""
    arrival: Arrival | None
    code: str | None = None
    message: str | None = None
    """Why it cannot be an asset."""
    unreadable: bool = False
    """The store does not give it out, at least not now: so nobody knows that its bytes are not
    those of the asset that it was, and that stays what it is."""

    @property
    def was(self) -> AssetId | None:
        """The asset that the object was until now."""
        return self.known.asset_id if self.known and self.known.state == "asset" else None


async def create_source(uow: IngestUnitOfWork, wanted: SourceRecord) -> SourceRecord:
    """Create a source, or return the one that is there.

    Raises
    ------
    UnknownDatasetError, SourceDiffersError
    """
    await require_known(uow, wanted.dataset_id, None)
    there = await uow.sources.create(wanted)
    for what in ("bucket", "prefix", "group_from_folder", "copy"):
        if getattr(there, what) != getattr(wanted, what):
            raise SourceDiffersError(wanted.source_id, what)
    return there


async def find_source(uow: IngestUnitOfWork, dataset_id: DatasetId, source_id: str) -> SourceRecord:
    """Return a source of a dataset.

    Raises
    ------
    UnknownDatasetError, UnknownSourceError
    """
    await require_known(uow, dataset_id, None)
    source = await uow.sources.get(dataset_id, source_id)
    if source is None:
        raise UnknownSourceError(source_id)
    return source


async def begin_sync(
    uow: IngestUnitOfWork, dataset_id: DatasetId, source_id: str, import_id: str
) -> ImportRecord:
    """Begin a sync, or return the one that is on its way.

    Raises
    ------
    UnknownDatasetError, UnknownSourceError
    """
    source = await find_source(uow, dataset_id, source_id)
    if source.active is not None:
        running = await uow.imports.get(source.active)
        assert running is not None  # both are written in one transaction
        return running
    begun = await uow.sources.begin(source, import_id)
    assert begun is not None  # read above in the same transaction
    record = ImportRecord(
        import_id, dataset_id, "sync", "queued", uow.now, options={"source_id": source_id}
    )
    uow.imports.add(record)
    uow.enqueue(SYNC_JOB, import_id, {"dataset_id": dataset_id, "source_id": source_id})
    return record


async def register(
    uow: IngestUnitOfWork, source: SourceRecord, import_id: str, found: Sequence[Met]
) -> Counter[Outcome]:
    """Write down what became of objects that were read."""
    arrivals = [each.arrival for each in found if each.arrival is not None]
    there = await uow.assets.several(arrival.asset.asset_id for arrival in arrivals)
    counts: Counter[Outcome] = Counter()
    left: list[tuple[AssetId, AssetId | None]] = []
    for each in found:
        line = _registered(uow, source, each, there)
        if each.arrival is not None:
            there.setdefault(each.arrival.asset.asset_id, each.arrival.asset)
        if each.was not in (None, line.asset_id) and not each.unreadable:
            left.append((each.was, line.asset_id))
        counts[line.outcome] += 1
        if line.outcome != "unchanged":
            uow.imports.report(import_id, line)
    for asset_id, successor in left:  # once it is written where the others lie
        await _left(uow, asset_id, successor)
    return counts


async def lose(
    uow: IngestUnitOfWork, source: SourceRecord, import_id: str, missing: Sequence[Met]
) -> Counter[Outcome]:
    """Write down that objects are there no more."""
    counts: Counter[Outcome] = Counter()
    uow.sources.met(source, [each.listed.key for each in missing if each.unreadable])
    for each in missing:
        if not each.unreadable:
            uow.sources.lost(source, each.listed.key)
    for each in missing:
        if each.was is None:
            continue  # it had been refused
        name = name_of(source, each.listed.key)
        if each.unreadable:
            counts["refused"] += 1
            uow.imports.report(import_id, _refused(name, each))
            continue
        moved = await _left(uow, each.was, None)
        outcome: Outcome = "moved" if moved else "gone"
        counts[outcome] += 1
        uow.imports.report(import_id, Line(name, outcome, asset_id=each.was))
    return counts


def _registered(
    uow: IngestUnitOfWork, source: SourceRecord, met: Met, there: dict[AssetId, AssetRecord]
) -> Line:
    name = name_of(source, met.listed.key)
    if met.arrival is None:
        if met.unreadable and met.was is not None:
            uow.sources.met(source, [met.listed.key])  # as it was, so the next sync reads it again
        else:
            uow.sources.put(source, met.listed, "refused", None)
        return _refused(name, met)
    asset = met.arrival.asset
    uow.sources.put(source, met.listed, "asset", asset.asset_id)
    if asset.asset_id not in there:
        assert met.arrival.preview is not None  # it was new when it was read, and none leaves
        uow.assets.add(asset, met.arrival.preview)
        uow.enqueue(REFER_JOB if asset.by_reference else GROUP_JOB, asset.asset_id, {})
        return Line(name, "changed" if met.was else "new", asset.asset_id, met.was)
    known = there[asset.asset_id]
    kept = is_kept_by(known, met.arrival)
    if kept:
        there[asset.asset_id] = keep(uow, known)
    elif known.by_reference:
        _touch(uow, known)
        if met.was == known.asset_id or known.presence != "here":
            uow.enqueue(REFER_JOB, known.asset_id, {})
    if met.was == asset.asset_id:
        return Line(name, "updated" if kept else "unchanged", asset.asset_id)
    outcome: Outcome = "changed" if met.was else "updated" if kept else "duplicate"
    return Line(name, outcome, asset.asset_id, met.was)


def _refused(name: str, met: Met) -> Line:
    return Line(name, "refused", previous=met.was, code=met.code, message=met.message)


async def _left(uow: IngestUnitOfWork, asset_id: AssetId, successor: AssetId | None) -> bool:
    """An object is not the asset any more that it was; say whether that is still to be had."""
    asset = await uow.assets.get(asset_id)
    assert asset is not None  # nothing ever leaves a dataset
    if not asset.by_reference:
        return True
    if await uow.sources.places(asset_id, 1):
        _touch(uow, asset)
        uow.enqueue(REFER_JOB, asset_id, {})
        return True
    left = replace(
        asset,
        presence="superseded" if successor else "gone",
        absent_since=uow.now,
        superseded_by=successor,
    )
    uow.assets.put_presence(left)
    known = (asset.presence, asset.superseded_by) == (left.presence, left.superseded_by)
    if asset.state == "ingested" and not known:  # else nobody has heard of it: `place` says both
        uow.emit(records.withdrawn(left))
    return False


def _touch(uow: IngestUnitOfWork, asset: AssetRecord) -> None:
    """Write to an asset whose copies change: of two syncs, one then sees what the other did."""
    uow.assets.put_presence(asset)


async def refer(uow: IngestUnitOfWork, places: Mapping[AssetId, Place | None]) -> None:
    """Go on with assets whose references lead to these places now (None: to nowhere).

    Nothing is told of an image before it can be read: one that is new waits for its group until
    now, and one that was withdrawn is back now.

    Raises
    ------
    CopyLostError
        If a withdrawn one has gone from its place again.
    """
    for asset in (await uow.assets.several(places)).values():
        if asset.state == "received":
            uow.enqueue(GROUP_JOB, asset.asset_id, {})
        place = places[asset.asset_id]
        if asset.presence == "here" or place is None:
            continue  # who takes a place away, or brings one, asks for this again
        if not await uow.sources.holds(place, asset.asset_id):
            raise CopyLostError(f"a copy of {asset.asset_id} has gone")
        here = replace(asset, presence="here", absent_since=None, superseded_by=None)
        uow.assets.put_presence(here)
        if asset.state == "ingested":
            uow.emit(AssetRestored(asset_id=asset.asset_id))


def end_sync(uow: IngestUnitOfWork, source_row: str, import_id: str) -> None:
    """End a sync that has seen everything."""
    uow.sources.end(source_row, import_id)
    uow.imports.end(import_id, "done", uow.now)


def fail_sync(
    uow: IngestUnitOfWork, source_row: str, import_id: str, code: str, message: str
) -> None:
    """End a sync that cannot go on; the next one begins from the start."""
    uow.sources.end(source_row, import_id)
    uow.imports.end(import_id, "failed", uow.now, code, message)
