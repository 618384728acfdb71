"""Uploads that arrive at the same moment: looked up at once, written down in one transaction."""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Any

from wakeline_events.base import AssetId, DatasetId
from wakeline_ingest import usecases
from wakeline_ingest.api.models import UploadOut
from wakeline_ingest.domain.errors import (
    AssetDiffersError,
    UnknownDatasetError,
    UnknownParentError,
)
from wakeline_ingest.domain.records import AssetRecord
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_messaging import Stores
from wakeline_process import (
    RECORDS,
    Command,
    Gathering,
    IdempotencyKeyReusedError,
    gathered_writes,
)

_OWN_FAULT = (
    AssetDiffersError,
    IdempotencyKeyReusedError,
    UnknownDatasetError,
    UnknownParentError,
)
"""What is found out before anything is written, and concerns one upload alone."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An upload whose bytes are stored, on its way into its transaction."""

    command: Command[MongoIngestUnitOfWork]
    arrival: usecases.Arrival
    context: Context
    """The caller's: its job carries the trace of its own request, whoever it goes with."""


class Together:
    """What all requests of a process share."""

    def __init__(self, stores: Stores) -> None:
        self.arrivals: Gathering[Entry, UploadOut] = gathered_writes(stores, _receive)
        self._assets: Gathering[AssetId, AssetRecord | None] = Gathering(partial(_there, stores))
        self._stores = stores
        self._datasets: set[DatasetId] = set()

    async def require_dataset(self, dataset_id: DatasetId) -> None:
        """Check that the dataset is there; one that was stays, so it is looked up once.

        Raises
        ------
        UnknownDatasetError
        """
        if dataset_id not in self._datasets:
            uow: Any = self._stores.open(None)
            await usecases.require_known(uow, dataset_id, None)
            self._datasets.add(dataset_id)

    async def asset(self, asset_id: AssetId) -> AssetRecord | None:
        """The asset of this name; what others look up meanwhile is read with it."""
        return await self._assets.ask(asset_id)


async def _there(stores: Stores, asset_ids: Sequence[AssetId]) -> list[AssetRecord | None]:
    uow: Any = stores.open(None)
    found = await uow.assets.several(asset_ids)
    return [found.get(asset_id) for asset_id in asset_ids]


async def _receive(
    uow: MongoIngestUnitOfWork, entries: Sequence[Entry]
) -> list[UploadOut | Exception]:
    await uow.preload(_reads(entries))
    return [
        await asyncio.create_task(_received(uow, entry), context=entry.context) for entry in entries
    ]


async def _received(uow: MongoIngestUnitOfWork, entry: Entry) -> UploadOut | Exception:
    async def receive(uow: MongoIngestUnitOfWork) -> UploadOut:
        asset, duplicate = await usecases.receive(uow, entry.arrival)
        return UploadOut.of(asset, duplicate, entry.arrival.asset.declared)

    try:
        return await entry.command.within(uow, receive, UploadOut)
    except _OWN_FAULT as error:
        return error


def _reads(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Ids by collection of what will be looked up."""
    assets = [entry.arrival.asset for entry in entries]
    parents = [asset.declared.parent for asset in assets if asset.declared.parent]
    return {
        RECORDS: [entry.command.record for entry in entries if entry.command.record],
        "datasets": [asset.dataset_id for asset in assets],
        "assets": [asset.asset_id for asset in assets] + parents,
        "jobs": [f"{usecases.GROUP_JOB}:{asset.asset_id}" for asset in assets],
    }
