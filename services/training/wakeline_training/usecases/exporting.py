"""Writing a dataset version out as a stream: memory does not grow with its length."""

import asyncio
from collections.abc import AsyncIterator

from wakeline_training.domain.coco import CocoExport
from wakeline_training.ports import Archive

CHUNK_BYTES = 1024 * 1024
"""Bytes of the manifest that are looked at together."""


async def coco_of(export: CocoExport, archive: Archive, manifest_key: str) -> AsyncIterator[bytes]:
    """The export's bytes. The manifest is read twice, as COCO wants all images first."""
    yield export.head()
    async for lines in _lines(archive.stream_manifest(manifest_key)):
        yield await asyncio.to_thread(export.images, lines)
    yield export.between()
    async for lines in _lines(archive.stream_manifest(manifest_key)):
        yield await asyncio.to_thread(export.annotations, lines)
    yield export.end()


async def _lines(stream: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Whole lines, about a megabyte of them at a time."""
    held: list[bytes] = []
    size = 0
    async for chunk in stream:
        held.append(chunk)
        size += len(chunk)
        if size < CHUNK_BYTES:
            continue
        *lines, rest = b"".join(held).split(b"\n")
        held, size = [rest], len(rest)
        if lines:
            yield lines
    lines = b"".join(held).split(b"\n")
    if whole := [line for line in lines if line]:
        yield whole
