"""What takes longer than a handler may: reading manifests, and telling receivers."""

from collections.abc import AsyncIterator
from datetime import timedelta

from wakeline_blobs import Blobs
from wakeline_lineage.resources import Resources
from wakeline_lineage.store.unit_of_work import MongoLineageUnitOfWork
from wakeline_lineage.usecases import delivering, notifying, recording
from wakeline_messaging import JobLease, Jobs

jobs = Jobs()
Lease = JobLease[MongoLineageUnitOfWork, Resources]


@jobs.on(recording.MEMBERS)
async def members(lease: Lease) -> None:
    """Read which labels a dataset version holds."""
    await recording.add_members(lease, BlobManifests(lease.resources.blobs))


# It ends by itself and is asked for anew: what fails is a store, which is waited for without end.
@jobs.on(notifying.DELIVER, lease=timedelta(seconds=15), attempts=1_000_000)
async def deliver(lease: Lease) -> None:
    """Tell every receiver what it wants to be told."""
    resources = lease.resources
    await delivering.deliver(lease, resources.receivers, resources.webhook_patience)


@jobs.on(notifying.RESEAL)
async def reseal(lease: Lease) -> None:
    """Seal the secrets that were stored before there were keys."""

    async def body(uow: MongoLineageUnitOfWork) -> None:
        await notifying.reseal(uow, lease.resources.seal.renewed)

    await lease.finish(body)


class BlobManifests:
    """Manifests in the bucket ``datasets``, a line at a time."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def lines(self, key: str) -> AsyncIterator[bytes]:
        """The lines of a manifest; only one chunk and one line are in memory."""
        rest = b""
        async for chunk in self._blobs.stream("datasets", key):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line
        if rest:
            yield rest
