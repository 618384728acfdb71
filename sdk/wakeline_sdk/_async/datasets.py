"""Datasets and their assets."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from wakeline_sdk._async.pause import aside
from wakeline_sdk._async.sending import BIG, AsyncSending
from wakeline_sdk._async.transport import AsyncTransport
from wakeline_sdk.concurrency import in_tasks
from wakeline_sdk.errors import ConflictError, InvalidRequestError
from wakeline_sdk.models import (
    AssetRecord,
    Dataset,
    FileReport,
    Refusal,
    StoredAsset,
    UploadReport,
)
from wakeline_sdk.paths import path
from wakeline_sdk.uploads import Progress, Upload, digest, images_at, size_of

BATCH = 200
"""Files whose digests are asked for at once."""


class AsyncDatasets:
    """Datasets: named collections of assets."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(self, dataset_id: str, name: str | None = None) -> Dataset:
        """Create a dataset, or get the one that has this id."""
        body = {"name": name} if name else {}
        where = path("/v1/datasets/{}", dataset_id)
        return Dataset.model_validate(await self._transport.json("ingest", "PUT", where, json=body))

    async def get(self, dataset_id: str) -> Dataset:
        """A dataset with its counts."""
        where = path("/v1/datasets/{}", dataset_id)
        return Dataset.model_validate(await self._transport.json("ingest", "GET", where))

    async def list(self) -> AsyncIterator[Dataset]:
        """All datasets."""
        async for item in self._transport.pages("ingest", "/v1/datasets"):
            yield Dataset.model_validate(item)

    async def assets(
        self,
        dataset_id: str,
        state: str | None = None,
        digest: str | None = None,
        presence: str | None = None,
        group: str | None = None,
        metadata: Mapping[str, str | int | float | bool] | None = None,
    ) -> AsyncIterator[AssetRecord]:
        """The assets of a dataset, or the one with these bytes.

        Parameters
        ----------
        metadata
            Only assets of which all of this is said.
        presence
            ``here``, or ``gone`` or ``superseded``: those whose bytes their source has no more.
        """
        where = path("/v1/datasets/{}/assets", dataset_id)
        said = [f"{key}={_told(value)}" for key, value in (metadata or {}).items()]
        wanted = {
            "state": state,
            "digest": digest,
            "presence": presence,
            "group": group,
            "metadata": said or None,
            "limit": 500,
        }
        async for item in self._transport.pages("ingest", where, wanted):
            yield AssetRecord.model_validate(item)

    async def refusals(self, dataset_id: str) -> AsyncIterator[Refusal]:
        """The files that could not become assets, from all uploads so far."""
        where = path("/v1/datasets/{}/refusals", dataset_id)
        async for item in self._transport.pages("ingest", where):
            yield Refusal.model_validate(item)

    async def upload(self, dataset_id: str, upload: Upload) -> StoredAsset:
        """Upload one image; its bytes stream from disk, those of a big file to the object store.

        Raises
        ------
        InvalidRequestError
            If the file is no image that can be labeled; the code and the message say why.
        ConflictError
            If the image is there already with another group, parent, bands or masks; or if it is
            a big file on its way, begun otherwise: ``imports.discard`` lets it begin anew.
        """
        if len(upload.files) == 1 and size_of(upload.image) > BIG:
            return await self._upload_big(dataset_id, upload)
        form: dict[str, str] = {}
        if upload.group is not None:
            form["group"] = upload.group
        if upload.parent is not None:
            form["parent"] = upload.parent
        if upload.metadata is not None:
            form["metadata"] = json.dumps(upload.metadata)
        if upload.file_name is not None:
            form["file_name"] = upload.file_name
        with ExitStack() as opened:

            def files() -> list[tuple[str, tuple[str, Any]]]:
                return [
                    (part, (file.name, opened.enter_context(file.open("rb"))))
                    for part, file in upload.files.items()
                ]

            where = path("/v1/datasets/{}/assets", dataset_id)
            answer = await self._transport.json("ingest", "POST", where, data=form, files=files)
        return StoredAsset.model_validate(answer)

    async def _upload_big(self, dataset_id: str, upload: Upload) -> StoredAsset:
        declared: dict[str, Any] = {"file_name": upload.file_name or upload.image.name}
        for name in ("group", "parent", "metadata"):
            if (value := getattr(upload, name)) is not None:
                declared[name] = value
        sent = await AsyncSending(self._transport).send(dataset_id, upload.image, declared)
        where = path("/v1/assets/{}", sent.asset_id or "")
        asset = AssetRecord.model_validate(await self._transport.json("ingest", "GET", where))
        return StoredAsset(
            asset_id=asset.asset_id,
            digest=asset.digest,
            width=asset.width,
            height=asset.height,
            duplicate=False,
            metadata_differ=not (upload.metadata or {}).items() <= asset.metadata.items(),
        )

    async def upload_all(
        self,
        dataset_id: str,
        uploads: Iterable[Upload],
        progress: Progress | None = None,
        *,
        workers: int = 4,
    ) -> UploadReport:
        """Upload images, ``workers`` at once; a bad file is reported, and the rest goes on.

        What is there already is skipped, so an upload that was cut off is simply run again.

        Parameters
        ----------
        progress
            Called with each file's report, in the order of the files.
        """
        reports: list[FileReport] = []
        async for report in self.upload_each(dataset_id, uploads, workers=workers):
            reports.append(report)
            if progress is not None:
                progress(report)
        return UploadReport(files=tuple(reports))

    async def upload_each(
        self, dataset_id: str, uploads: Iterable[Upload], *, workers: int = 4
    ) -> AsyncIterator[FileReport]:
        """Upload images as ``upload_all`` does, and yield each file's report, in their order.

        However many they are, only a few hundred of them are in memory.
        """
        remaining = iter(uploads)
        while batch := list(islice(remaining, BATCH)):
            async for report in self._upload_batch(dataset_id, batch, workers):
                yield report

    async def upload_folder(
        self,
        dataset_id: str,
        folder: Path,
        progress: Progress | None = None,
        *,
        nir: Path | None = None,
        group_from_folder: bool = False,
        workers: int = 4,
    ) -> UploadReport:
        """Upload all images below a folder; see ``wakeline_sdk.uploads.images_at``."""
        found = images_at([folder], nir=nir, group_from_folder=group_from_folder)
        return await self.upload_all(dataset_id, found, progress, workers=workers)

    async def _upload_batch(
        self, dataset_id: str, batch: Sequence[Upload], workers: int
    ) -> AsyncIterator[FileReport]:
        hashed = [each async for each in in_tasks(_digest, batch, workers)]
        body = {"digests": sorted({each for each in hashed if isinstance(each, str)})}
        where = path("/v1/datasets/{}/assets/known", dataset_id)
        answer = await self._transport.json("ingest", "POST", where, json=body)
        known = set(answer["known"])
        found = [_to_do(*pair, known) for pair in zip(batch, hashed, strict=True)]
        async for report in in_tasks(partial(self._report, dataset_id), found, workers):
            yield report

    async def _report(self, dataset_id: str, upload: Upload | FileReport) -> FileReport:
        if isinstance(upload, FileReport):
            return upload
        try:
            asset = await self.upload(dataset_id, upload)
        except (InvalidRequestError, ConflictError) as error:
            return FileReport(path=upload.image, code=error.code, reason=error.detail)
        except OSError as error:
            return _unreadable(upload, error)
        return FileReport(path=upload.image, asset=asset)


class AsyncAssets:
    """Assets by their id: for those who may read them outside a lease."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self, asset_id: str) -> AssetRecord:
        """One asset."""
        where = path("/v1/assets/{}", asset_id)
        return AssetRecord.model_validate(await self._transport.json("ingest", "GET", where))

    async def image(self, asset_id: str) -> bytes:
        """The bytes that were uploaded."""
        return await self._transport.bytes("ingest", path("/v1/assets/{}/image", asset_id))

    async def band(self, asset_id: str, name: str) -> bytes:
        """The bytes of an extra band."""
        where = path("/v1/assets/{}/bands/{}", asset_id, name)
        return await self._transport.bytes("ingest", where)

    async def mask(self, asset_id: str, name: str) -> bytes:
        """The bytes of an upstream mask."""
        where = path("/v1/assets/{}/masks/{}", asset_id, name)
        return await self._transport.bytes("ingest", where)

    async def thumbnail(self, asset_id: str) -> bytes:
        """A small JPEG."""
        return await self._transport.bytes("ingest", path("/v1/assets/{}/thumbnail", asset_id))


async def _digest(upload: Upload) -> str | FileReport:
    try:
        return await aside(digest, upload.image)
    except OSError as error:
        return _unreadable(upload, error)


def _to_do(upload: Upload, hashed: str | FileReport, known: set[str]) -> Upload | FileReport:
    """What has to be sent, or else what became of it already."""
    if isinstance(hashed, FileReport):
        return hashed
    return FileReport(path=upload.image, skipped=True) if hashed in known else upload


def _unreadable(upload: Upload, error: OSError) -> FileReport:
    reason = f"it cannot be read: {error.strerror or error}"
    return FileReport(path=upload.image, code="unreadable-file", reason=reason)


def _told(value: str | int | float | bool) -> str:
    return value if isinstance(value, str) else json.dumps(value)
