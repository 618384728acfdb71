"""Imports: what they write down of one image after another, and how they end."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wakeline_events.base import DatasetId
from wakeline_ingest.domain.errors import AssetDiffersError, UnknownImportError
from wakeline_ingest.domain.imports import ENDED, ImportRecord, Line, Outcome
from wakeline_ingest.domain.records import refuse_difference
from wakeline_ingest.ports import IngestUnitOfWork
from wakeline_ingest.usecases.receiving import GROUP_JOB, Arrival, is_kept_by, keep, require_known


@dataclass(frozen=True, slots=True)
class Taken:
    """An image that an import has read, or the reason why it cannot be an asset."""

    name: str
    arrival: Arrival | None
    code: str | None = None
    message: str | None = None


async def find_import(uow: IngestUnitOfWork, dataset_id: DatasetId, import_id: str) -> ImportRecord:
    """Return an import of a dataset.

    Raises
    ------
    UnknownDatasetError, UnknownImportError
    """
    await require_known(uow, dataset_id, None)
    record = await uow.imports.get(import_id)
    if record is None or record.dataset_id != dataset_id:
        raise UnknownImportError(import_id)
    return record


async def cancel(uow: IngestUnitOfWork, dataset_id: DatasetId, import_id: str) -> ImportRecord:
    """End an import where it is; one that has ended stays as it is.

    Raises
    ------
    UnknownDatasetError, UnknownImportError
    """
    record = await find_import(uow, dataset_id, import_id)
    if record.state in ENDED:
        return record
    uow.imports.end(import_id, "cancelled", uow.now)
    uow.dequeue(record.kind, import_id)
    if record.kind == "sync":
        uow.sources.end(f"{dataset_id}/{record.options['source_id']}", import_id)
    return await find_import(uow, dataset_id, import_id)


async def take(
    uow: IngestUnitOfWork, import_id: str, found: Sequence[Taken], cursor: Mapping[str, Any]
) -> None:
    """Write down what an import has read, together with how far it is."""
    arrivals = [each.arrival for each in found if each.arrival is not None]
    there = await uow.assets.several(arrival.asset.asset_id for arrival in arrivals)
    counts: Counter[Outcome] = Counter()
    for each in found:
        line = Line(each.name, "refused", code=each.code, message=each.message)
        if each.arrival is not None:
            asset = each.arrival.asset
            line = Line(each.name, "duplicate", asset.asset_id)
            if (known := there.get(asset.asset_id)) is not None:
                try:
                    refuse_difference(known, asset.declared, {}, {})
                    if is_kept_by(known, each.arrival):
                        there[asset.asset_id] = keep(uow, known)
                        line = Line(each.name, "updated", asset.asset_id)
                except AssetDiffersError as error:
                    line = Line(each.name, "refused", code=error.code, message=str(error))
            else:
                assert each.arrival.preview is not None  # it was new when it was read
                there[asset.asset_id] = asset
                uow.assets.add(asset, each.arrival.preview)
                uow.enqueue(GROUP_JOB, asset.asset_id, {})
                line = Line(each.name, "new", asset.asset_id)
        counts[line.outcome] += 1
        uow.imports.report(import_id, line)
    uow.imports.advance(import_id, cursor, counts)


def ended(record: ImportRecord) -> bool:
    """Whether nothing more comes of an import."""
    return record.state in ENDED
