"""Declared uploads: declaring, completing, and what becomes of them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from wakeline_events.base import DatasetId
from wakeline_ingest.domain.errors import (
    FileTooLargeError,
    UnknownUploadError,
    UploadDiffersError,
    UploadEndedError,
)
from wakeline_ingest.domain.imports import ImportRecord
from wakeline_ingest.domain.records import Declared, asset_id_of, refuse_difference
from wakeline_ingest.domain.uploads import (
    SMALLER,
    Purpose,
    UploadRecord,
    differences,
    name_of,
    next_id,
)
from wakeline_ingest.ports import IngestUnitOfWork
from wakeline_ingest.usecases.importing import ended, find_import
from wakeline_ingest.usecases.receiving import Arrival, receive, require_known

UPLOAD_JOB = "upload"
COLLECT_JOB = "collect"
GRACE = timedelta(hours=1)
"""After the end of an upload: URLs that were handed out before are of no use then."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A file that somebody wants to send in parts."""

    dataset_id: DatasetId
    purpose: Purpose
    bytes: int
    digest: str
    declared: Declared
    options: dict[str, Any]
    part_bytes: int
    lifetime: timedelta
    most_bytes: int


async def declare(uow: IngestUnitOfWork, wish: Wish) -> UploadRecord:
    """Make room for a file, or return the upload that this file is on its way with.

    Raises
    ------
    UnknownDatasetError, UnknownParentError, FileTooLargeError, AssetDiffersError
    UploadDiffersError
        If it is on its way, and was declared otherwise: that could not be mended later.
    """
    await require_known(uow, wish.dataset_id, wish.declared.parent)
    if wish.bytes > wish.most_bytes:
        raise FileTooLargeError("the file", wish.most_bytes, SMALLER[wish.purpose])
    name = name_of(wish.dataset_id, wish.purpose, wish.digest)
    there = await uow.uploads.latest(name)
    upload = UploadRecord(
        upload_id=name if there is None else next_id(there.upload_id),
        dataset_id=wish.dataset_id,
        purpose=wish.purpose,
        state="open",
        bytes=wish.bytes,
        digest=wish.digest,
        part_bytes=wish.part_bytes,
        declared=wish.declared,
        created_at=uow.now,
        expires_at=uow.now + wish.lifetime,
        options=wish.options,
    )
    if there is not None and await _is_alive(uow, there):
        if what := differences(there, upload):
            raise UploadDiffersError(there.upload_id, there.state, there.import_id, what)
        if there.state == "open":  # somebody goes on: from now on it has its whole time again
            there = replace(there, expires_at=upload.expires_at)
            uow.uploads.put(there)
        return there
    asset = None
    if wish.purpose == "image":
        asset = await uow.assets.get(asset_id_of(wish.dataset_id, wish.digest))
    if asset is not None:
        refuse_difference(asset, wish.declared, {}, {})
    if asset is not None and not asset.by_reference:  # nothing has to be sent, nor told apart
        known = name if there is None else there.upload_id
        upload = replace(upload, upload_id=known, state="done", asset_id=asset.asset_id)
    else:
        late = upload.expires_at + GRACE
        uow.enqueue(COLLECT_JOB, upload.upload_id, {}, not_before=late)
    uow.uploads.put(upload)
    return upload


async def cancel_upload(
    uow: IngestUnitOfWork, dataset_id: DatasetId, upload_id: str
) -> UploadRecord:
    """Give an open upload up; one that has come to nothing stays as it is.

    Raises
    ------
    UnknownDatasetError, UnknownUploadError
    UploadEndedError
        If all of it has come.
    """
    upload = await find_upload(uow, dataset_id, upload_id)
    if upload.state in ("cancelled", "expired", "refused"):
        return upload
    refuse_ended(upload)
    upload = replace(upload, state="cancelled")
    uow.uploads.put(upload)
    uow.dequeue(COLLECT_JOB, upload_id)
    uow.enqueue(COLLECT_JOB, upload_id, {}, not_before=uow.now + GRACE)
    return upload


async def find_upload(uow: IngestUnitOfWork, dataset_id: DatasetId, upload_id: str) -> UploadRecord:
    """Return an upload of a dataset.

    Raises
    ------
    UnknownDatasetError, UnknownUploadError
    """
    await require_known(uow, dataset_id, None)
    upload = await uow.uploads.get(upload_id)
    if upload is None or upload.dataset_id != dataset_id:
        raise UnknownUploadError(upload_id)
    return upload


def refuse_ended(upload: UploadRecord) -> None:
    """Check that an upload still takes parts.

    Raises
    ------
    UploadEndedError
    """
    if upload.state != "open":
        raise UploadEndedError(upload.upload_id, upload.state)


async def complete(
    uow: IngestUnitOfWork, dataset_id: DatasetId, upload_id: str, import_id: str
) -> UploadRecord:
    """Go on with a file all of whose parts are there: check it, or begin its import.

    Raises
    ------
    UnknownDatasetError, UnknownUploadError, UploadEndedError
    """
    upload = await find_upload(uow, dataset_id, upload_id)
    if upload.state in ("checking", "done"):
        return upload
    refuse_ended(upload)
    if upload.purpose == "image":
        upload = replace(upload, state="checking")
        uow.enqueue(UPLOAD_JOB, upload_id, {})
    else:
        upload = replace(upload, state="done", import_id=import_id)
        begin_import(uow, upload, import_id)
    uow.uploads.put(upload)
    return upload


def begin_import(uow: IngestUnitOfWork, upload: UploadRecord, import_id: str) -> ImportRecord:
    """Begin the import that a file was sent for."""
    assert upload.purpose != "image"
    options = {**upload.options, "file_name": upload.declared.file_name}
    record = ImportRecord(
        import_id, upload.dataset_id, upload.purpose, "queued", uow.now, options=options
    )
    uow.imports.add(record)
    uow.enqueue(upload.purpose, import_id, {"upload_id": upload.upload_id})
    return record


async def finish(uow: IngestUnitOfWork, upload: UploadRecord, arrival: Arrival) -> None:
    """Make an asset of a file that was checked and stored.

    Raises
    ------
    UnknownParentError, AssetDiffersError
    """
    asset, _ = await receive(uow, arrival)
    uow.uploads.put(replace(upload, state="done", asset_id=asset.asset_id))


def refuse(uow: IngestUnitOfWork, upload: UploadRecord, code: str, message: str) -> None:
    """End an upload that cannot become an asset."""
    uow.uploads.put(replace(upload, state="refused", code=code, message=message))


async def may_be_cleared(
    uow: IngestUnitOfWork, upload_id: str, sent_at: datetime | None, lifetime: timedelta
) -> bool:
    """Say whether an upload's parts are of no use any more; an open one whose time is over ends.

    Parameters
    ----------
    sent_at
        When its last part came, from which on it has its ``lifetime`` again: a slow line may need
        days for all of them. None if there is no part.
    """
    upload = await uow.uploads.get(upload_id)
    if upload is None:
        return True
    if upload.state == "open" and upload.expires_at <= uow.now:
        if sent_at is not None and sent_at + lifetime > uow.now:
            uow.uploads.put(replace(upload, expires_at=sent_at + lifetime))
            return False
        uow.uploads.put(replace(upload, state="expired"))
        return True
    return not await _is_alive(uow, upload)


async def _is_alive(uow: IngestUnitOfWork, upload: UploadRecord) -> bool:
    if upload.state in ("open", "checking"):  # an open one until it is collected
        return True
    if upload.state == "done" and upload.import_id is not None:
        return not ended(await find_import(uow, upload.dataset_id, upload.import_id))
    return False
