"""Reading a manifest takes longer than a handler may, and needs blobs."""

from collections.abc import AsyncIterator

from wakeline_blobs import Blobs
from wakeline_lineage.resources import Resources
from wakeline_lineage.store.unit_of_work import MongoLineageUnitOfWork
from wakeline_lineage.usecases import recording
from wakeline_messaging import JobLease, Jobs

jobs = Jobs()
Lease = JobLease[MongoLineageUnitOfWork, Resources]


@jobs.on(recording.MEMBERS)
async def members(lease: Lease) -> None:
    """Read which labels a dataset version holds."""
    await recording.add_members(lease, BlobManifests(lease.resources.blobs))


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
