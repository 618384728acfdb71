"""Uploads that arrive at the same moment, written down in one transaction."""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from pymongo.asynchronous.client_session import AsyncClientSession

from wakeline_ingest import usecases
from wakeline_ingest.api.models import UploadOut
from wakeline_ingest.domain.errors import (
    AssetDiffersError,
    UnknownDatasetError,
    UnknownParentError,
)
from wakeline_ingest.store import MongoIngestUnitOfWork
from wakeline_messaging import Stores
from wakeline_process import RECORDS, Command, Gathering, IdempotencyKeyReusedError

PATIENCE: Final = timedelta(milliseconds=500)
"""So long uploads wait for each other's rows to be free. One may be held for longer by the
transaction of a process that died in it: until MongoDB ends that, its sender waits apart."""
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
        self._stores = stores
        self.arrivals: Gathering[Entry, UploadOut] = Gathering(self._receive)

    async def _receive(self, entries: Sequence[Entry]) -> list[UploadOut | Exception]:
        async def transaction(session: AsyncClientSession) -> list[UploadOut | Exception]:
            uow: Any = self._stores.open(session)
            await uow.preload(_reads(entries))
            answers = []
            for entry in entries:
                received = _received(uow, entry)
                answers.append(await asyncio.create_task(received, context=entry.context))
            await uow.write()
            return answers

        limit = PATIENCE if len(entries) > 1 else None
        return await self._stores.transactions.run(transaction, limit)


async def _received(uow: MongoIngestUnitOfWork, entry: Entry) -> UploadOut | Exception:
    async def receive(uow: MongoIngestUnitOfWork) -> UploadOut:
        return UploadOut.of(*await usecases.receive(uow, entry.arrival))

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
