"""Every event of every topic is kept."""

from wakeline_lineage.ports import LineageUnitOfWork
from wakeline_lineage.usecases import recording
from wakeline_messaging import Envelope, Handlers

handlers = Handlers()


@handlers.on_every
async def on_event(envelope: Envelope, uow: LineageUnitOfWork) -> None:
    await recording.record(uow, envelope)
