"""Imports: finding, ending and cancelling them."""

from wakeline_events.base import DatasetId
from wakeline_ingest.domain.errors import UnknownImportError
from wakeline_ingest.domain.imports import ENDED, ImportRecord
from wakeline_ingest.ports import IngestUnitOfWork
from wakeline_ingest.usecases.receiving import require_known


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
