"""Sources: which objects of a bucket are assets of a dataset, and what a listing says of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Literal

from wakeline_events.base import AssetId, DatasetId
from wakeline_ingest.domain.errors import SourceRefusedError

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif"}
)
OWN_BUCKETS = ("assets", "labels", "predictions", "datasets", "models")


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A bucket and a prefix whose images are assets of a dataset."""

    dataset_id: DatasetId
    source_id: str
    bucket: str
    """Full name."""
    prefix: str
    group_from_folder: bool
    created_at: datetime
    syncs: int = 0
    """How often it was synced; the number of the running sync, or else of the last one."""
    active: str | None = None
    """The import that syncs it at the moment."""
    copy: bool = False
    """Keep bytes of our own, so that nobody can take an asset's away."""

    @property
    def row_id(self) -> str:
        """Name of the source among those of all datasets."""
        return f"{self.dataset_id}/{self.source_id}"


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as the store lists it."""

    key: str
    etag: str
    size: int
    """In bytes."""
    modified_at: datetime


ObjectState = Literal["asset", "refused", "gone"]


@dataclass(frozen=True, slots=True)
class Known:
    """An object as the last sync found it."""

    key: str
    etag: str
    size: int
    modified_at: datetime
    state: ObjectState
    asset_id: AssetId | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an asset's bytes are to be had."""

    object_id: str
    """`object_id_of`."""
    bucket: str
    key: str
    etag: str
    size: int


def object_id_of(source_row: str, key: str) -> str:
    """Return the name of an object among those of all sources."""
    return f"{source_row}:{key}"


def refuse_bucket(bucket: str, allowed: Sequence[str], own_prefix: str) -> None:
    """Check that a bucket may be a source.

    Parameters
    ----------
    allowed : patterns of full names, ``*`` for anything
    own_prefix : what stands before the names of the platform's own buckets

    Raises
    ------
    SourceRefusedError
    """
    if bucket in {own_prefix + name for name in OWN_BUCKETS}:
        raise SourceRefusedError(f"{bucket} is one of the platform's own buckets")
    if not any(fnmatchcase(bucket, pattern) for pattern in allowed):
        raise SourceRefusedError(
            f"the bucket {bucket!r} is not among those that may be sources: the operator names "
            "them in WAKELINE_INGEST_SOURCE_BUCKETS and lets the services read them"
        )


def is_image_key(key: str) -> bool:
    """Whether an object is named like an image; others are left alone."""
    return PurePosixPath(key).suffix.lower() in IMAGE_SUFFIXES


def has_changed(listed: Listed, known: Known | None) -> bool:
    """Whether an object must be read: it is new, was gone, or the store says something new."""
    if known is None or known.state == "gone":
        return True
    # Some stores list whole seconds and some do not; a store contradicts itself only on a change.
    return (listed.etag, listed.size, listed.modified_at) != (
        known.etag,
        known.size,
        known.modified_at,
    )


def group_of(source: SourceRecord, key: str) -> str | None:
    """Return the group of an object: its folder below the source, if that is what groups are."""
    if not source.group_from_folder:
        return None
    return f"{source.source_id}/{PurePosixPath(name_of(source, key)).parent}".removesuffix("/.")


def name_of(source: SourceRecord, key: str) -> str:
    """Return what an object is called in its dataset: its path below the prefix."""
    return key.removeprefix(source.prefix).lstrip("/") or key


def may_end(last: str, following: str) -> bool:
    """Whether a listing can be taken up again between two keys.

    Not between a key and what is below a folder of the same name: a store that lists by folders
    would leave all of it out.
    """
    return not following.startswith(f"{last}/")
