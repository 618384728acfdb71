"""What the routes take and give."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from wakeline_events.base import AssetId, DatasetId
from wakeline_events.strict import Strict
from wakeline_ingest.domain.records import (
    AssetRecord,
    AssetState,
    Counts,
    DatasetRecord,
    Declared,
    Presence,
)
from wakeline_ingest.ports import Refusal

DatasetName = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="Name of a dataset.")
]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Out(BaseModel):
    """Plain frozen data."""

    model_config = ConfigDict(frozen=True)


class DatasetIn(Strict):
    """What a dataset is called by people."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None


class DatasetOut(Out):
    """A dataset and how far its files are."""

    dataset_id: DatasetId
    name: str
    created_at: datetime
    received: int
    """Assets that are stored."""
    ingested: int
    """Of them, those that are in their group and known to the other services."""
    refused: int
    """Files that could not become an asset; ``/refusals`` says why."""
    bytes: int

    @classmethod
    def of(cls, dataset: DatasetRecord, counts: Counts) -> "DatasetOut":
        """Show a dataset."""
        return cls(
            dataset_id=dataset.dataset_id,
            name=dataset.name,
            created_at=dataset.created_at,
            received=counts.received,
            ingested=counts.ingested,
            refused=counts.refused,
            bytes=counts.bytes,
        )


class UploadOut(Out):
    """What became of an upload."""

    asset_id: AssetId
    digest: str
    width: int
    """Upright, in pixels."""
    height: int
    duplicate: bool
    """The same bytes were in the dataset already. If they were so by reference, we keep them now;
    else nothing has changed."""
    metadata_differ: bool = False
    """Something else is said of the asset than in the metadata that came along. It stays: who sends
    old files again must not undo what was said since. An import of metadata changes it."""

    @classmethod
    def of(cls, asset: AssetRecord, duplicate: bool, declared: Declared) -> "UploadOut":
        """Show what became of an upload of which this was declared."""
        known = asset.declared.metadata
        return cls(
            asset_id=asset.asset_id,
            digest=asset.digest,
            width=asset.width,
            height=asset.height,
            duplicate=duplicate,
            metadata_differ=not declared.metadata.items() <= known.items(),
        )


class AssetOut(Out):
    """One asset."""

    asset_id: AssetId
    dataset_id: DatasetId
    file_name: str
    digest: str
    state: AssetState
    format: str
    width: int
    """Upright, in pixels."""
    height: int
    channels: int
    bits: int
    bytes: int
    bands: list[str]
    masks: list[str]
    group: str | None
    """None until it is known."""
    neighbours: list[AssetId]
    """Assets of other groups that this one is a copy or crop of."""
    declared_group: str | None
    parent: AssetId | None
    metadata: dict[str, Any]
    received_at: datetime
    by_reference: bool
    """The bytes lie in the owner's bucket, and were never copied, nor sent by anybody since."""
    presence: Presence
    """``gone`` or ``superseded``: its source has lost or replaced the bytes of such an asset."""
    absent_since: datetime | None
    superseded_by: AssetId | None

    @classmethod
    def of(cls, asset: AssetRecord) -> "AssetOut":
        """Show an asset."""
        return cls(
            asset_id=asset.asset_id,
            dataset_id=asset.dataset_id,
            file_name=asset.declared.file_name,
            digest=asset.digest,
            state=asset.state,
            format=asset.format,
            width=asset.width,
            height=asset.height,
            channels=asset.channels,
            bits=asset.bits,
            bytes=asset.bytes,
            bands=sorted(asset.bands),
            masks=sorted(asset.masks),
            group=asset.group,
            neighbours=list(asset.neighbours),
            declared_group=asset.declared.group,
            parent=asset.declared.parent,
            metadata=dict(asset.declared.metadata),
            received_at=asset.received_at,
            by_reference=asset.by_reference,
            presence=asset.presence,
            absent_since=asset.absent_since,
            superseded_by=asset.superseded_by,
        )


class RefusalOut(Out):
    """A file that could not become an asset, and why."""

    file_name: str
    part: str
    """``image``, ``band.<name>`` or ``mask.<name>``."""
    code: str
    message: str
    at: datetime

    @classmethod
    def of(cls, refusal: Refusal) -> "RefusalOut":
        """Show a line of the report."""
        return cls(
            file_name=refusal.file_name,
            part=refusal.part,
            code=refusal.code,
            message=refusal.message,
            at=refusal.at,
        )


class DigestsIn(Strict):
    """Images that a client has, by their SHA-256 in hex."""

    digests: Annotated[list[Digest], Field(max_length=1_000)]


class DigestsOut(Out):
    """Those of them that need not be sent."""

    known: list[str]
