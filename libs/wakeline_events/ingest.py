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
