"""Datasets, their assets, and what became of uploads."""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from wakeline_sdk.shapes import Wire


class Dataset(Wire):
    """A named collection of assets."""

    dataset_id: str
    name: str
    created_at: datetime
    received: int
    """Assets that are stored."""
    ingested: int
    """Of them, those that are in their group and known to the other services."""
    refused: int
    """Files that could not become an asset."""
    bytes: int
    """Of the images, without bands and masks."""


class StoredAsset(Wire):
    """What became of one uploaded file."""

    asset_id: str
    digest: str
    """SHA-256 of the file, in hex."""
    width: int
    """Upright, in pixels."""
    height: int
    duplicate: bool
    """The dataset had these bytes already."""
    metadata_differ: bool = False
    """Something else is said of the asset than in the metadata that came along. It stays: an import
    of metadata changes it."""


class AssetRecord(Wire):
    """An asset as ingest knows it."""

    asset_id: str
    dataset_id: str
    file_name: str
    digest: str
    state: str
    """``received``: stored; ``ingested``: in its group and told to everyone."""
    format: str
    width: int
    """Upright, in pixels."""
    height: int
    channels: int
    bits: int
    bytes: int
    bands: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    group: str | None = None
    """None until it is known."""
    neighbours: tuple[str, ...] = ()
    """Assets of other groups that this one is a copy or crop of."""
    declared_group: str | None = None
    parent: str | None = None
    metadata: dict[str, Any] = {}
    received_at: datetime
    by_reference: bool = False
    """The bytes lie in their owner's bucket, and were never copied, nor sent by anybody since."""
    presence: str = "here"
    """``gone`` or ``superseded``: its source has lost or replaced the bytes of such an asset."""
    absent_since: datetime | None = None
    superseded_by: str | None = None


class Refusal(Wire):
    """A file that could not become an asset, and why."""

    file_name: str
    part: str
    """``image``, ``band.<name>`` or ``mask.<name>``."""
    code: str
    message: str
    at: datetime


class FileReport(Wire):
    """What became of one file of an upload."""

    path: Path
    asset: StoredAsset | None = None
    skipped: bool = False
    """It was there already, from an upload before."""
    code: str | None = None
    reason: str | None = None
    """Why it was refused."""

    @property
    def outcome(self) -> Literal["stored", "skipped", "refused"]:
        """In one word; a file whose bytes were there already is skipped."""
        if self.reason is not None:
            return "refused"
        known = self.skipped or (self.asset is not None and self.asset.duplicate)
        return "skipped" if known else "stored"


class UploadReport(Wire):
    """What became of every file of an upload."""

    files: tuple[FileReport, ...]

    @property
    def refused(self) -> tuple[FileReport, ...]:
        """The files that are not in the dataset, each with its reason."""
        return tuple(f for f in self.files if f.reason is not None)

    @property
    def stored(self) -> tuple[FileReport, ...]:
        """The files that are in the dataset now."""
        return tuple(f for f in self.files if f.reason is None)
