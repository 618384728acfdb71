"""The staging area: parts of files that were declared, until something has become of them."""

from datetime import datetime
from pathlib import Path

from wakeline_blobs import BlobMissingError
from wakeline_ingest.domain.errors import StagedFileError
from wakeline_ingest.domain.records import BUCKET
from wakeline_ingest.domain.uploads import UploadRecord, missing, part_key, size_of_part
from wakeline_ingest.importing.reading import hashed
from wakeline_ingest.ports import SentFile
from wakeline_ingest.resources import Resources


async def missing_parts(
    resources: Resources, upload: UploadRecord, numbers: range | None = None
) -> list[int]:
    """Return which of these parts, or of all, are not there in their full size."""
    wanted = numbers if numbers is not None else range(1, upload.parts + 1)
    stored: dict[str, int] = {}
    before = part_key(upload, wanted.start - 1)
    async for info in resources.blobs.list(BUCKET, upload.prefix, after=before):
        if info.key >= part_key(upload, wanted.stop):
            break  # a client asks for one part after another: not for all of them each time
        stored[info.key] = info.size
    return missing(upload, stored, wanted)


async def fetch(resources: Resources, upload: UploadRecord, path: Path) -> SentFile:
    """Put a file together on this machine, and check that it is the one that was declared.

    Raises
    ------
    StagedFileError
        If it is not.
    """
    for number in range(1, upload.parts + 1):
        size = size_of_part(upload, number)
        try:
            came = await resources.blobs.fetch(
                BUCKET, part_key(upload, number), path, limit=size, append=number > 1
            )
        except BlobMissingError as error:
            raise StagedFileError("part-missing", f"part {number} is gone: send it all") from error
        if came != size:
            raise StagedFileError("size-differs", f"part {number} has not {size:,} bytes")
    whole = await hashed(path, upload.declared.file_name)
    if whole.digest != upload.digest:
        raise StagedFileError(
            "digest-differs",
            f"the bytes that came have the SHA-256 {whole.digest}, not {upload.digest}: did the "
            "file change while it was sent?",
        )
    return whole


async def sent_at(resources: Resources, upload_id: str) -> datetime | None:
    """Return when the last part of an upload came; None if there is none."""
    listed = resources.blobs.list(BUCKET, f"staging/{upload_id}/")
    return max([info.modified_at async for info in listed], default=None)


async def clear(resources: Resources, upload_id: str) -> None:
    """Delete what lies in the staging area of an upload."""
    found = [info.key async for info in resources.blobs.list(BUCKET, f"staging/{upload_id}/")]
    for key in found:
        await resources.blobs.delete(BUCKET, key)
