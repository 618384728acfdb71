"""Sources, imports and their reports: many images at once."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from wakeline_sdk._async.pause import pause
from wakeline_sdk._async.sending import BIG, AsyncSending
from wakeline_sdk._async.transport import AsyncTransport
from wakeline_sdk.models import DeclaredUpload, Import, ImportLine, Outcome, Source
from wakeline_sdk.paths import path
from wakeline_sdk.uploads import size_of

FileKind = Literal["archive", "urls", "metadata"]
LONGEST_PAUSE = 5.0
"""Seconds between looks at an import that takes its time."""


class AsyncSources:
    """Buckets whose images are assets by reference: they stay where they are."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def put(
        self,
        dataset_id: str,
        source_id: str,
        bucket: str,
        prefix: str = "",
        *,
        group_from_folder: bool = False,
        copy: bool = False,
    ) -> Source:
        """Make a bucket a source of a dataset, or get the source of this name.

        Parameters
        ----------
        copy
            Whether a sync copies images, where their objects may be deleted or replaced.

        Raises
        ------
        InvalidRequestError
            If the operator does not allow this bucket, or the services cannot read it.
        ConflictError
            If the source is there already with another bucket or prefix.
        """
        body = {
            "bucket": bucket,
            "prefix": prefix,
            "group_from_folder": group_from_folder,
            "copy": copy,
        }
        where = path("/v1/datasets/{}/sources/{}", dataset_id, source_id)
        return Source.model_validate(await self._transport.json("ingest", "PUT", where, json=body))

    async def get(self, dataset_id: str, source_id: str) -> Source:
        """A source."""
        where = path("/v1/datasets/{}/sources/{}", dataset_id, source_id)
        return Source.model_validate(await self._transport.json("ingest", "GET", where))

    async def list(self, dataset_id: str) -> AsyncIterator[Source]:
        """The sources of a dataset."""
        where = path("/v1/datasets/{}/sources", dataset_id)
        async for item in self._transport.pages("ingest", where):
            yield Source.model_validate(item)

    async def sync(self, dataset_id: str, source_id: str) -> Import:
        """Begin to look for new, changed and gone objects, or get the sync that is on its way."""
        where = path("/v1/datasets/{}/sources/{}/sync", dataset_id, source_id)
        return Import.model_validate(await self._transport.json("ingest", "POST", where))


class AsyncImports:
    """What brings many images into a dataset at once."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self, dataset_id: str, import_id: str) -> Import:
        """An import and how far it is."""
        where = path("/v1/datasets/{}/imports/{}", dataset_id, import_id)
        return Import.model_validate(await self._transport.json("ingest", "GET", where))

    async def list(self, dataset_id: str) -> AsyncIterator[Import]:
        """The imports of a dataset, the newest first."""
        where = path("/v1/datasets/{}/imports", dataset_id)
        async for item in self._transport.pages("ingest", where):
            yield Import.model_validate(item)

    async def lines(
        self, dataset_id: str, import_id: str, outcomes: Sequence[Outcome] = ()
    ) -> AsyncIterator[ImportLine]:
        """What became of each object, entry, URL or line, page by page."""
        where = path("/v1/datasets/{}/imports/{}/lines", dataset_id, import_id)
        wanted = {"outcome": list(outcomes) or None, "limit": 1000}
        async for item in self._transport.pages("ingest", where, wanted):
            yield ImportLine.model_validate(item)

    async def begin(
        self,
        dataset_id: str,
        kind: FileKind,
        file: Path,
        *,
        group_from_folder: bool = False,
    ) -> Import:
        """Import what a file holds; a big file goes straight to the object store.

        Parameters
        ----------
        kind
            ``archive``: the images of a zip, tar or tar.gz file. ``metadata``: a CSV file with a
            header, or JSON lines, that say something of assets that are there. ``urls``: a list
            of URLs, one a line, of hosts that the operator allows.
        group_from_folder
            Whether the images of one folder of an archive are one group.

        Raises
        ------
        InvalidRequestError
            If the platform does not take such a file.
        ConflictError
            If a big file is on its way already, begun otherwise: `discard` it to begin anew.
        """
        if size_of(file) > BIG:
            declared = {
                "purpose": kind,
                "file_name": file.name,
                "group_from_folder": group_from_folder,
            }
            sent = await AsyncSending(self._transport).send(dataset_id, file, declared)
            return await self.get(dataset_id, sent.import_id or "")
        form = {"kind": kind, "group_from_folder": "true" if group_from_folder else "false"}
        where = path("/v1/datasets/{}/imports", dataset_id)
        with ExitStack() as opened:

            def files() -> dict[str, tuple[str, Any]]:
                return {"file": (file.name, opened.enter_context(file.open("rb")))}

            answer = await self._transport.json("ingest", "POST", where, data=form, files=files)
        return Import.model_validate(answer)

    async def cancel(self, dataset_id: str, import_id: str) -> Import:
        """End an import where it is; what it has brought stays."""
        where = path("/v1/datasets/{}/imports/{}/cancel", dataset_id, import_id)
        return Import.model_validate(await self._transport.json("ingest", "POST", where))

    async def discard(self, dataset_id: str, upload_id: str) -> DeclaredUpload:
        """Give up a big file, an image too, that is not all there; its name stands in the error.

        Raises
        ------
        ConflictError
            If all of it has come.
        """
        where = path("/v1/datasets/{}/uploads/{}", dataset_id, upload_id)
        answer = await self._transport.json("ingest", "DELETE", where)
        return DeclaredUpload.model_validate(answer)

    async def wait(self, begun: Import, progress: Callable[[Import], None] | None = None) -> Import:
        """Wait for the end of an import; ``progress`` is called with each look at it."""
        seconds = 0.2
        while True:
            shown = await self.get(begun.dataset_id, begun.import_id)
            if progress is not None:
                progress(shown)
            if shown.ended:
                return shown
            await pause(seconds)
            seconds = min(LONGEST_PAUSE, seconds * 1.5)
