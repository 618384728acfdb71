"""Uploads that arrive at the same moment, looked up and stored for all of them at once."""

import asyncio
from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import Any, Final, NamedTuple

from wakeline_events.base import StageId
from wakeline_messaging import Stores
from wakeline_prediction.api.models import UploadOut
from wakeline_prediction.domain.records import Parcel, Size, Stage
from wakeline_prediction.store.unit_of_work import MongoPredictionUnitOfWork
from wakeline_prediction.usecases import uploading
from wakeline_process import (
    RECORDS,
    Command,
    Gathering,
    IdempotencyKeyReusedError,
    gathered_writes,
)

FEW: Final = 4
"""A request that stores more takes a transaction of its own: so a turn of 32 requests, of up to
64 KiB a prediction, is no longer than the one of a large request may be."""


class Wanted(NamedTuple):
    """What has to be known to judge an upload."""

    stage_id: StageId
    targets: Sequence[str]


class Known(NamedTuple):
    """What is known of it."""

    stage: Stage | None
    sizes: Mapping[str, Size]
    """By target; those of other uploads may be among them."""


class Entry(NamedTuple):
    """A judged upload on its way into its transaction."""

    command: Command[MongoPredictionUnitOfWork]
    parcels: Sequence[Parcel]
    answer: UploadOut
    context: Context
    """The caller's: its jobs carry the trace of its own request, whoever it goes with."""

    async def store(self, uow: MongoPredictionUnitOfWork) -> UploadOut:
        """Store it within a transaction, and say so."""
        await uploading.store(uow, self.parcels)
        return self.answer


class Together:
    """What all requests of a process share."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self.known: Gathering[Wanted, Known] = Gathering(self._look)
        self._stored: Gathering[Entry, UploadOut] = gathered_writes(stores, _store)

    async def store(self, entry: Entry) -> UploadOut:
        """Store an upload: a small one with the others that wait, a large one by itself.

        Raises
        ------
        IdempotencyKeyReusedError
        """
        if len(entry.parcels) > FEW:
            return await entry.command.run(entry.store, UploadOut)
        return await self._stored.ask(entry)

    async def _look(self, wanted: Sequence[Wanted]) -> list[Known | Exception]:
        uow: Any = self._stores.open(None)
        stages = await uow.stages.many({each.stage_id for each in wanted})
        sizes = await uow.targets.sizes({name for each in wanted for name in each.targets})
        return [Known(stages.get(each.stage_id), sizes) for each in wanted]


async def _store(
    uow: MongoPredictionUnitOfWork, entries: Sequence[Entry]
) -> list[UploadOut | Exception]:
    await uow.preload(_reads(entries))
    return [
        await asyncio.create_task(_stored(uow, entry), context=entry.context) for entry in entries
    ]


async def _stored(uow: MongoPredictionUnitOfWork, entry: Entry) -> UploadOut | Exception:
    try:
        return await entry.command.within(uow, entry.store, UploadOut)
    except IdempotencyKeyReusedError as error:  # before anything is written, and of nobody else
        return error


def _reads(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Ids by collection of what will be looked up."""
    records = [entry.command.record for entry in entries if entry.command.record]
    parcels = [parcel for entry in entries for parcel in entry.parcels]
    return {RECORDS: records, **uploading.reads(parcels)}
