"""Declared uploads: files that come in parts, straight to the object store."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from wakeline_events.base import AssetId, DatasetId
from wakeline_ingest.domain.records import Declared

Purpose = Literal["image", "archive", "urls", "metadata"]
"""What becomes of the file: an asset, or an import of this kind."""
SMALLER: Mapping[Purpose, str] = {
    "image": "cut it into tiles",
    "archive": "pack its images into several archives",
    "urls": "send its lines as several lists",
    "metadata": "send its lines as several tables",
}
"""What to do with a file that is too large."""
UploadState = Literal["open", "checking", "done", "refused", "expired", "cancelled"]


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """A file that was declared, and how far it is."""

    upload_id: str
    """`name_of` the file, and behind it how often it was declared anew: what is left of an upload
    that has ended is cleared away later, and must be none of the next one's."""
    dataset_id: DatasetId
    purpose: Purpose
    state: UploadState
    bytes: int
    digest: str
    """SHA-256 of the whole file, in hex."""
    part_bytes: int
    """Of each part but the last."""
    declared: Declared
    created_at: datetime
    expires_at: datetime
    """Until then its parts are kept while it is open."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the import that it is for."""
    asset_id: AssetId | None = None
    import_id: str | None = None
    code: str | None = None
    message: str | None = None
    """Why it was refused."""

    @property
    def parts(self) -> int:
        """In how many parts it comes."""
        return max(1, -(-self.bytes // self.part_bytes))

    @property
    def prefix(self) -> str:
        """Where its parts lie in the bucket ``assets`` until it is done."""
        return f"staging/{self.upload_id}/"


def name_of(dataset_id: DatasetId, purpose: Purpose, digest: str) -> str:
    """Return how the ids of a file's uploads begin; the first one's is this."""
    return hashlib.sha256(f"{dataset_id}:{purpose}:{digest}".encode()).hexdigest()[:32]


def next_id(upload_id: str) -> str:
    """Return the id of the file's next upload; ids are in the order of their uploads."""
    name, _, number = upload_id.partition("-")
    return f"{name}-{int(number or 0) + 1:06}"


def differences(there: UploadRecord, wanted: UploadRecord) -> list[str]:
    """Name what two declarations of a file do not have in common; its name may be another."""
    pairs: dict[str, tuple[Any, Any]] = {"bytes": (there.bytes, wanted.bytes)}
    for name in ("group", "parent", "metadata"):
        pairs[name] = (getattr(there.declared, name), getattr(wanted.declared, name))
    for name in there.options.keys() | wanted.options.keys():
        pairs[name] = (there.options.get(name), wanted.options.get(name))
    return sorted(name for name, (one, other) in pairs.items() if one != other)


def part_key(upload: UploadRecord, number: int) -> str:
    """Return where a part lies; numbers begin at 1."""
    return f"{upload.prefix}{number:05}"


def size_of_part(upload: UploadRecord, number: int) -> int:
    """Return how many bytes a part has."""
    if number < upload.parts:
        return upload.part_bytes
    return upload.bytes - upload.part_bytes * (upload.parts - 1)


def missing(upload: UploadRecord, stored: Mapping[str, int], numbers: range) -> list[int]:
    """Return which of these parts are not there in their full size.

    ``stored`` is the size in bytes of each key.
    """
    return [
        number
        for number in numbers
        if stored.get(part_key(upload, number)) != size_of_part(upload, number)
    ]
