"""What this service can say again of its state: assets that are in their group."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from wakeline_events.base import AssetId, Event
from wakeline_events.ingest import AssetIngested, AssetWithdrawn
from wakeline_ingest.domain import records
from wakeline_ingest.ports import IngestUnitOfWork


async def assets(
    uow: IngestUnitOfWork, key: AssetId | None, after: str, limit: int
) -> list[tuple[str, AssetIngested]]:
    """A page of ingested assets, each as the event that tells of it."""
    found = await uow.assets.ingested(key, after, limit)
    return [
        (asset.asset_id, records.ingested(asset, asset.group, asset.neighbours))
        for asset in found
        if asset.group is not None
    ]


async def withdrawn(
    uow: IngestUnitOfWork, key: AssetId | None, after: str, limit: int
) -> list[tuple[str, AssetWithdrawn]]:
    """A page of ingested assets that are not to be had, each as the event that tells of it."""
    found = await uow.assets.ingested(key, after, limit, absent=True)
    return [(asset.asset_id, records.withdrawn(asset)) for asset in found]


STATES: Mapping[
    str,
    Callable[[IngestUnitOfWork, str | None, str, int], Awaitable[Sequence[tuple[str, Event]]]],
] = {AssetIngested.TYPE: assets, AssetWithdrawn.TYPE: withdrawn}
