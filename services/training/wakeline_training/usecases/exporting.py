"""Writing a dataset version out as a stream: memory does not grow with its length."""

import asyncio
from collections.abc import AsyncIterator

from wakeline_training.domain.coco import CocoExport
from wakeline_training.domain.manifest import whole_lines
from wakeline_training.ports import Archive


async def coco_of(export: CocoExport, archive: Archive, manifest_key: str) -> AsyncIterator[bytes]:
    """The export's bytes. The manifest is read twice, as COCO wants all images first."""
    yield export.head()
    async for lines in whole_lines(archive.stream_manifest(manifest_key)):
        yield await asyncio.to_thread(export.images, lines)
    yield export.between()
    async for lines in whole_lines(archive.stream_manifest(manifest_key)):
        yield await asyncio.to_thread(export.annotations, lines)
    yield export.end()
