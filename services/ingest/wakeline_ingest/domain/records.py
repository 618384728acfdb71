"""What ingest knows of a dataset, of an asset, and of the files that came with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from wakeline_events.base import Asset, AssetId, DatasetId
from wakeline_events.ingest import AssetIngested, AssetWithdrawn
from wakeline_ingest.domain.errors import AssetDiffersError, MetadataRefusedError
from wakeline_ingest.domain.metadata import Statement, merged

AssetState = Literal["received", "ingested"]
"""``received``: stored and checked; ``ingested``: in its group, and told to everyone."""
Presence = Literal["here", "gone", "superseded"]
"""Of an asset's bytes: ``gone`` or ``superseded`` if they were never copied and their source has
lost or replaced them. The asset stays, and so does what was said of it."""
BUCKET = "assets"


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A named collection of assets."""

    dataset_id: DatasetId
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """How far the files of a dataset are."""

    received: int = 0
    """Assets that are stored, whether in their group already or not."""
    ingested: int = 0
    refused: int = 0
    """Files that could not become an asset."""
    bytes: int = 0
    """Of the images, without bands and masks."""


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A band or mask of an asset."""

    key: str
    """In the bucket ``assets``."""
    digest: str
    """SHA-256 of the file as it was sent, in hex."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What the sender says of an image."""

    file_name: str
    group: str | None = None
    parent: AssetId | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AssetRecord:
    """One image with everything that belongs to it. File names stay here, never in events."""

    asset_id: AssetId
    dataset_id: DatasetId
    digest: str
    format: str
    width: int
    """Upright, in pixels."""
    height: int
    channels: int
    bits: int
    bytes: int
    image: str
    thumbnail: str
    declared: Declared
    received_at: datetime
    bands: Mapping[str, StoredPart] = field(default_factory=dict)
    masks: Mapping[str, StoredPart] = field(default_factory=dict)
    state: AssetState = "received"
    group: str | None = None
    neighbours: tuple[AssetId, ...] = ()
    presence: Presence = "here"
    absent_since: datetime | None = None
    superseded_by: AssetId | None = None

    @property
    def by_reference(self) -> bool:
        """Whether the bytes lie in the owner's bucket, and were never copied."""
        return self.image == reference_key(self.dataset_id, self.digest)


def asset_id_of(dataset_id: DatasetId, digest: str) -> AssetId:
    """Return the name of the image with these bytes in this dataset."""
    return f"{dataset_id}:{digest}"


def refuse_difference(
    there: AssetRecord, declared: Declared, bands: Mapping[str, str], masks: Mapping[str, str]
) -> None:
    """Check that an image sent again says nothing new; what it leaves out is no contradiction.

    ``bands`` and ``masks`` are digests by name.

    Raises
    ------
    AssetDiffersError
    """
    for kind, sent, kept in (("band", bands, there.bands), ("mask", masks, there.masks)):
        if any(name not in kept or kept[name].digest != digest for name, digest in sent.items()):
            raise AssetDiffersError(there.asset_id, kind)
    if declared.group not in (None, there.declared.group):
        raise AssetDiffersError(there.asset_id, "group")
    if declared.parent not in (None, there.declared.parent):
        raise AssetDiffersError(there.asset_id, "parent")


def with_said(asset: AssetRecord, said: Statement) -> AssetRecord:
    """Return an asset once something more is said of it.

    A group counts until the asset is in one; from then on it is permanent, for splits hang on it.

    Raises
    ------
    MetadataRefusedError
    """
    values = merged(asset.declared.metadata, said.values)
    group = asset.declared.group
    if said.group is not None and said.group not in (group, asset.group):
        if asset.group is not None:
            raise MetadataRefusedError(
                "group-is-permanent",
                f"the asset is in the group {asset.group!r} already, and splits hang on that: "
                "say the group when you send the image, or put it into another dataset",
            )
        group = said.group
    return replace(asset, declared=replace(asset.declared, group=group, metadata=values))


def image_key(dataset_id: DatasetId, digest: str) -> str:
    """Return where an image's bytes lie."""
    return f"{dataset_id}/{digest[:2]}/{digest}"


def reference_key(dataset_id: DatasetId, digest: str) -> str:
    """Return where it says in which other bucket an image's bytes lie."""
    return f"{image_key(dataset_id, digest)}.ref.json"


def part_key(dataset_id: DatasetId, digest: str, part: str, part_digest: str) -> str:
    """Return where a band or mask lies; its own digest is in the key, so it is never replaced."""
    return f"{image_key(dataset_id, digest)}.{part}.{part_digest[:16]}"


def thumbnail_key(dataset_id: DatasetId, digest: str) -> str:
    """Return where an image's thumbnail lies."""
    return f"thumbnails/{image_key(dataset_id, digest)}.jpg"


def ingested(asset: AssetRecord, group: str, neighbours: tuple[AssetId, ...]) -> AssetIngested:
    """Say that an asset is in its group now."""
    return AssetIngested(
        asset_id=asset.asset_id,
        asset=Asset(
            asset_id=asset.asset_id,
            dataset_id=asset.dataset_id,
            digest=asset.digest,
            width=asset.width,
            height=asset.height,
            group=group,
            neighbours=neighbours,
            image=asset.image,
            bands={name: part.key for name, part in asset.bands.items()},
        ),
        bytes=asset.bytes,
        parent=asset.declared.parent,
        upstream_masks={name: part.key for name, part in asset.masks.items()},
    )


def withdrawn(asset: AssetRecord) -> AssetWithdrawn:
    """Say that an asset's bytes are not to be had any more."""
    return AssetWithdrawn(asset_id=asset.asset_id, superseded_by=asset.superseded_by)
