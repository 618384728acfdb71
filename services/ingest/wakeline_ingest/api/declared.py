"""Routes of declared uploads, and of imports whose file comes with the request."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, get_args
from uuid import uuid4

import orjson
from fastapi import Depends, Request
from pydantic import AfterValidator, Field, StringConstraints

from wakeline_auth import Permission, Principal
from wakeline_events.base import AssetId, DatasetId
from wakeline_events.strict import Strict
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
from wakeline_ingest.api.import_models import ImportOut
from wakeline_ingest.api.models import DatasetName, Digest, Out
from wakeline_ingest.api.routes import (
    IngestCommand,
    IngestReader,
    IngestResources,
    Sender,
    StreamedIngestCommand,
    Viewer,
)
from wakeline_ingest.api.uploads import Form, received_form
from wakeline_ingest.domain.errors import (
    AssetDiffersError,
    FileTooLargeError,
    InvalidUploadError,
    MetadataRefusedError,
    UnknownDatasetError,
    UnknownParentError,
    UnknownUploadError,
    UploadDiffersError,
    UploadEndedError,
    UploadIncompleteError,
)
from wakeline_ingest.domain.imports import ImportKind
from wakeline_ingest.domain.metadata import MOST_BYTES, refuse_unstorable
from wakeline_ingest.domain.records import BUCKET, Declared
from wakeline_ingest.domain.uploads import (
    Purpose,
    UploadRecord,
    UploadState,
    part_key,
    size_of_part,
)
from wakeline_ingest.importing import staging
from wakeline_ingest.resources import Resources
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_ingest.usecases import uploading
from wakeline_process import BacklogError, NotBehind

router = Router(prefix="/v1/datasets/{dataset_id}", tags=["uploads"])


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("only printable characters")
    return text


def _storable(metadata: dict[str, Any]) -> dict[str, Any]:
    try:
        refuse_unstorable(metadata)
    except MetadataRefusedError as error:
        raise ValueError(str(error)) from error
    if len(orjson.dumps(metadata)) > MOST_BYTES:
        raise ValueError(f"metadata have at most {MOST_BYTES:,} bytes")
    return metadata


Name = Annotated[str, StringConstraints(min_length=1, max_length=400), AfterValidator(_printable)]


class UploadIn(Strict):
    """A file that is to come in parts, straight to the object store."""

    purpose: Purpose = "image"
    file_name: Name
    bytes: Annotated[int, Field(ge=1)]
    digest: Digest
    """SHA-256 in hex."""
    group: Name | None = None
    parent: AssetId | None = None
    metadata: Annotated[dict[str, Any], AfterValidator(_storable)] = {}
    group_from_folder: bool = False
    """Of an archive: images of one folder are one group."""


class DeclaredOut(Out):
    """A declared upload and how far it is."""

    upload_id: str
    dataset_id: DatasetId
    purpose: Purpose
    state: UploadState
    bytes: int
    digest: str
    part_bytes: int
    """Of each part but the last."""
    parts: int
    expires_at: datetime
    """An open upload is forgotten then."""
    asset_id: AssetId | None
    import_id: str | None
    code: str | None
    message: str | None
    """Why it was refused."""

    @classmethod
    def of(cls, upload: UploadRecord) -> "DeclaredOut":
        """Show an upload."""
        return cls(**{name: getattr(upload, name) for name in cls.model_fields})


class PartOut(Out):
    """One part of a declared upload."""

    number: int
    bytes: int
    stored: bool
    """It is there in its full size."""
    url: str
    """To PUT the part to, without a token, within minutes."""


@router.post(
    "/uploads",
    status_code=201,
    responses=problems(
        UnknownDatasetError,
        UnknownParentError,
        AssetDiffersError,
        UploadDiffersError,
        FileTooLargeError,
        BacklogError,
    ),
)
async def declare_upload(
    dataset_id: DatasetName,
    wanted: UploadIn,
    _: Sender,
    room: NotBehind,
    command: IngestCommand,
    resources: IngestResources,
) -> DeclaredOut:
    """Make room for a big file; the same file declared again goes on where it was."""
    limits, image = resources.uploads, wanted.purpose == "image"
    most = resources.max_file_bytes if image else resources.max_import_bytes
    wish = uploading.Wish(
        dataset_id=dataset_id,
        purpose=wanted.purpose,
        bytes=wanted.bytes,
        digest=wanted.digest,
        declared=Declared(wanted.file_name, wanted.group, wanted.parent, wanted.metadata),
        options={"group_from_folder": wanted.group_from_folder},
        part_bytes=limits.part_bytes,
        lifetime=limits.lifetime,
        # a decoder takes some images whole into memory, so they have the limit of other images
        most_bytes=most,
    )

    async def declare(uow: MongoIngestUnitOfWork) -> DeclaredOut:
        return DeclaredOut.of(await uploading.declare(uow, wish))

    return await command.run(declare, DeclaredOut)


@router.get("/uploads/{upload_id}", responses=problems(UnknownDatasetError, UnknownUploadError))
async def get_upload(
    dataset_id: DatasetName, upload_id: str, _: Viewer, uow: IngestReader
) -> DeclaredOut:
    """Show a declared upload and how far it is."""
    return DeclaredOut.of(await uploading.find_upload(uow, dataset_id, upload_id))


@router.delete(
    "/uploads/{upload_id}",
    responses=problems(UnknownDatasetError, UnknownUploadError, UploadEndedError),
)
async def cancel_upload(
    dataset_id: DatasetName, upload_id: str, _: Sender, command: IngestCommand
) -> DeclaredOut:
    """Give an upload up that is not complete; its parts are deleted an hour later."""

    async def cancel(uow: MongoIngestUnitOfWork) -> DeclaredOut:
        return DeclaredOut.of(await uploading.cancel_upload(uow, dataset_id, upload_id))

    return await command.run(cancel, DeclaredOut)


@router.get(
    "/uploads/{upload_id}/parts",
    responses=problems(UnknownDatasetError, UnknownUploadError, UploadEndedError),
)
async def list_parts(
    dataset_id: DatasetName,
    upload_id: str,
    _: Sender,
    uow: IngestReader,
    resources: IngestResources,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[PartOut]:
    """List the parts of an open upload, each with a URL of minutes to PUT it to."""
    upload = await uploading.find_upload(uow, dataset_id, upload_id)
    uploading.refuse_ended(upload)
    first = decode_cursor(cursor, int)[0] + 1 if cursor else 1
    numbers = range(first, min(upload.parts, first + limit - 1) + 1)
    missing = set(await staging.missing_parts(resources, upload, numbers))
    items = [
        PartOut(
            number=number,
            bytes=size_of_part(upload, number),
            stored=number not in missing,
            url=await resources.public_blobs.presigned_put(
                BUCKET, part_key(upload, number), resources.uploads.url_lifetime
            ),
        )
        for number in numbers
    ]
    more = bool(numbers) and numbers[-1] < upload.parts
    return Page(items=items, next=encode_cursor(numbers[-1]) if more else None)


@router.post(
    "/uploads/{upload_id}/complete",
    status_code=202,
    responses=problems(
        UnknownDatasetError, UnknownUploadError, UploadEndedError, UploadIncompleteError
    ),
)
async def complete_upload(
    dataset_id: DatasetName,
    upload_id: str,
    _: Sender,
    uow: IngestReader,
    command: IngestCommand,
    resources: IngestResources,
) -> DeclaredOut:
    """Say that all parts are there: the file is checked, and becomes an asset or an import."""
    there = await uploading.find_upload(uow, dataset_id, upload_id)
    if there.state == "open" and (missing := await staging.missing_parts(resources, there)):
        raise UploadIncompleteError(missing)
    import_id = uuid4().hex

    async def complete(uow: MongoIngestUnitOfWork) -> DeclaredOut:
        return DeclaredOut.of(await uploading.complete(uow, dataset_id, upload_id, import_id))

    return await command.run(complete, DeclaredOut)


DECLARED = "declare it as an upload, whose parts may be more than that together"
"""What to do with a file that is larger than one that comes with a request may be."""
IMPORT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["kind", "file"],
                    "properties": {
                        "kind": {"enum": ["archive", "urls", "metadata"]},
                        "group_from_folder": {"enum": ["true", "false"], "default": "false"},
                        "file": {"type": "string", "format": "binary"},
                    },
                    "additionalProperties": False,
                }
            }
        },
    }
}


@router.post(
    "/imports",
    status_code=202,
    openapi_extra=IMPORT_BODY,
    responses=problems(UnknownDatasetError, InvalidUploadError, FileTooLargeError, BacklogError),
)
@body_limit(None)
async def begin_import(
    dataset_id: DatasetName,
    request: Request,
    sender: Annotated[Principal, Depends(require(Permission.INGEST_ASSETS))],
    room: NotBehind,
    streamed: StreamedIngestCommand,
    uow: IngestReader,
    resources: IngestResources,
) -> ImportOut:
    """Import an archive, a list of URLs, or a table of metadata that comes with the request."""
    await usecases.require_known(uow, dataset_id, None)
    limit = min(resources.max_file_bytes, resources.max_import_bytes)
    async with received_form(request, resources.scratch, limit, DECLARED) as form:
        upload = _upload_of(dataset_id, form, uow.now, resources)
        command = streamed.of(form.digest)
        if (before := await command.answered(uow, ImportOut)) is not None:
            return before  # before its bytes are stored once more

        async def stage(uow: MongoIngestUnitOfWork) -> DeclaredOut:
            uow.uploads.put(upload)
            late = upload.expires_at + uploading.GRACE
            uow.enqueue(uploading.COLLECT_JOB, upload.upload_id, {}, not_before=late)
            return DeclaredOut.of(upload)

        # Before its bytes, so that they are collected if this process does not live to go on.
        await command.without_key().run(stage, DeclaredOut)
        await resources.depot.put_file(
            part_key(upload, 1), form.files["file"].path, "application/octet-stream"
        )
    import_id = uuid4().hex

    async def begin(uow: MongoIngestUnitOfWork) -> ImportOut:
        uow.uploads.put(replace(upload, state="done", import_id=import_id))
        return ImportOut.of(uploading.begin_import(uow, upload, import_id))

    return await command.run(begin, ImportOut)


def _upload_of(dataset_id: str, form: Form, now: datetime, resources: Resources) -> UploadRecord:
    kinds = [kind for kind in get_args(ImportKind) if kind != "sync"]
    kind = form.fields.get("kind")
    folders = form.fields.get("group_from_folder", "false")
    if set(form.files) != {"file"} or form.fields.keys() - {"kind", "group_from_folder"}:
        raise InvalidUploadError("send the file in the part file, and kind before it")
    if kind not in kinds or folders not in ("true", "false"):
        raise InvalidUploadError(f"kind is one of {kinds}, group_from_folder true or false")
    sent = form.files["file"]
    if sent.bytes == 0:
        raise InvalidUploadError("the file has zero bytes: send it again")
    return UploadRecord(
        upload_id=uuid4().hex,
        dataset_id=dataset_id,
        purpose=kind,  # type: ignore[arg-type]  # checked above
        state="open",
        bytes=sent.bytes,
        digest=sent.digest,
        part_bytes=sent.bytes,
        declared=Declared(sent.name[-400:] or "file"),
        created_at=now,
        expires_at=now + resources.uploads.lifetime,
        options={"group_from_folder": folders == "true"},
    )
