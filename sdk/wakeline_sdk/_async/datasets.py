"""Datasets and their assets."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

from wakeline_sdk._async.transport import AsyncTransport
from wakeline_sdk.errors import InvalidRequestError
from wakeline_sdk.models import AssetRecord, Dataset, FileReport, StoredAsset, UploadReport
from wakeline_sdk.uploads import Progress, Upload, digest, images_below


class AsyncDatasets:
    """Datasets: named collections of assets."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(self, dataset_id: str, name: str | None = None) -> Dataset:
        """Create a dataset, or get the one that has this id."""
        body = {"name": name} if name else {}
        answer = await self._transport.json(
            "ingest", "PUT", f"/v1/datasets/{dataset_id}", json=body
        )
        return Dataset.model_validate(answer)

    async def get(self, dataset_id: str) -> Dataset:
        """A dataset with its counts."""
        return Dataset.model_validate(
            await self._transport.json("ingest", "GET", f"/v1/datasets/{dataset_id}")
        )

    async def list(self) -> AsyncIterator[Dataset]:
        """All datasets."""
        async for item in self._transport.pages("ingest", "/v1/datasets"):
            yield Dataset.model_validate(item)

    async def assets(self, dataset_id: str, state: str | None = None) -> AsyncIterator[AssetRecord]:
        """The assets of a dataset."""
        path = f"/v1/datasets/{dataset_id}/assets"
        async for item in self._transport.pages("ingest", path, {"state": state, "limit": 500}):
            yield AssetRecord.model_validate(item)

    async def upload(self, dataset_id: str, upload: Upload) -> StoredAsset:
        """Upload one image; its bytes stream from disk.

        Raises
        ------
        InvalidRequestError
            If the file is no image that can be labeled; the code and the message say why.
        """
        form: dict[str, str] = {}
        if upload.group is not None:
            form["group"] = upload.group
        if upload.parent is not None:
            form["parent"] = upload.parent
        if upload.metadata is not None:
            form["metadata"] = json.dumps(upload.metadata)
        paths = {"image": upload.image}
        paths |= {f"band.{name}": path for name, path in upload.bands.items()}
        paths |= {f"mask.{name}": path for name, path in upload.masks.items()}
        with ExitStack() as opened:

            def files() -> list[tuple[str, tuple[str, Any]]]:
                return [
                    (part, (path.name, opened.enter_context(path.open("rb"))))
                    for part, path in paths.items()
                ]

            answer = await self._transport.json(
                "ingest", "POST", f"/v1/datasets/{dataset_id}/assets", data=form, files=files
            )
        return StoredAsset.model_validate(answer)

    async def upload_all(
        self, dataset_id: str, uploads: Iterable[Upload], progress: Progress | None = None
    ) -> UploadReport:
        """Upload images one after the other; a bad file is reported, and the rest goes on.

        What is there already is skipped, so an upload that was cut off is simply run again.
        """
        reports: list[FileReport] = []
        batch: list[Upload] = []
        for upload in uploads:
            batch.append(upload)
            if len(batch) == 200:
                reports += await self._upload_batch(dataset_id, batch, progress)
                batch = []
        reports += await self._upload_batch(dataset_id, batch, progress)
        return UploadReport(files=tuple(reports))

    async def upload_folder(
        self, dataset_id: str, folder: Path, progress: Progress | None = None
    ) -> UploadReport:
        """Upload all images below a folder."""
        return await self.upload_all(dataset_id, images_below(folder), progress)

    async def _upload_batch(
        self, dataset_id: str, batch: Sequence[Upload], progress: Progress | None
    ) -> Sequence[FileReport]:
        digests = {upload.image: digest(upload.image) for upload in batch}
        answer: dict[str, Any] = {"known": []}
        if batch:
            answer = await self._transport.json(
                "ingest",
                "POST",
                f"/v1/datasets/{dataset_id}/assets/known",
                json={"digests": sorted(set(digests.values()))},
            )
        known = set(answer["known"])
        reports: list[FileReport] = []
        for upload in batch:
            if digests[upload.image] in known:
                report = FileReport(path=upload.image, skipped=True)
            else:
                report = await self._report(dataset_id, upload)
            reports.append(report)
            if progress is not None:
                progress(report)
        return reports

    async def _report(self, dataset_id: str, upload: Upload) -> FileReport:
        try:
            asset = await self.upload(dataset_id, upload)
        except InvalidRequestError as error:
            return FileReport(path=upload.image, code=error.code, reason=error.detail)
        return FileReport(path=upload.image, asset=asset)


class AsyncAssets:
    """Assets by their id: for those who may read them outside a lease."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self, asset_id: str) -> AssetRecord:
        """One asset."""
        return AssetRecord.model_validate(
            await self._transport.json("ingest", "GET", f"/v1/assets/{_quoted(asset_id)}")
        )

    async def image(self, asset_id: str) -> bytes:
        """The bytes that were uploaded."""
        return await self._transport.bytes("ingest", f"/v1/assets/{_quoted(asset_id)}/image")

    async def band(self, asset_id: str, name: str) -> bytes:
        """The bytes of an extra band."""
        return await self._transport.bytes("ingest", f"/v1/assets/{_quoted(asset_id)}/bands/{name}")

    async def thumbnail(self, asset_id: str) -> bytes:
        """A small JPEG."""
        return await self._transport.bytes("ingest", f"/v1/assets/{_quoted(asset_id)}/thumbnail")


def _quoted(asset_id: str) -> str:
    return quote(asset_id, safe="")
