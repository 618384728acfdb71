"""Events the ingest service publishes on the topic ``wakeline.ingest``."""

from typing import ClassVar

from wakeline_events.base import Asset, AssetEvent, AssetId, ServiceName


class AssetIngested(AssetEvent):
    """An image was stored, checked and put into its group: it can be labeled."""

    TYPE: ClassVar[str] = "asset.ingested"
    PRODUCER: ClassVar[ServiceName] = "ingest"
    asset: Asset
    bytes: int
    parent: AssetId | None = None
    """The larger image that this one was declared to be cut from."""
    upstream_masks: dict[str, str] = {}
    """Name of a mask that came with the image -> key in the bucket ``assets``."""


class AssetWithdrawn(AssetEvent):
    """An image that was never copied is to be had no more: its owner deleted or replaced it."""

    TYPE: ClassVar[str] = "asset.withdrawn"
    PRODUCER: ClassVar[ServiceName] = "ingest"
    superseded_by: AssetId | None = None
    """The image that lies in its place now; None: nothing does."""


class AssetRestored(AssetEvent):
    """An image that was withdrawn is to be had again."""

    TYPE: ClassVar[str] = "asset.restored"
    PRODUCER: ClassVar[ServiceName] = "ingest"
