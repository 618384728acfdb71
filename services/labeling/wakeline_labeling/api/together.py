"""What labelers ask for at the same moment, done for all of them at once."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from pymongo.asynchronous.client_session import AsyncClientSession

from wakeline_labeling.domain.queues import Claim
from wakeline_labeling.domain.records import Slot
from wakeline_labeling.usecases import submitting
from wakeline_labeling.usecases.submitting import Prepared, Submitted
from wakeline_messaging import Stores
from wakeline_process import Gathering

PATIENCE: Final = timedelta(milliseconds=500)
"""So long people wait for each other's slots to be free. One may be held for longer by the
transaction of a process that died in it: until MongoDB ends that, its person waits apart."""


class Together:
    """Claims in one round trip, submits in one transaction."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self.claims: Gathering[Claim, Slot | None] = Gathering(self._claim)
        self.submits: Gathering[Prepared, Submitted] = Gathering(self._submit)

    async def _claim(self, claims: Sequence[Claim]) -> list[Slot | Exception | None]:
        uow: Any = self._stores.open(None)
        claimed: list[Slot | Exception | None] = await uow.slots.claim_all(claims)
        return claimed

    async def _submit(self, work: Sequence[Prepared]) -> list[Submitted | Exception]:
        async def transaction(session: AsyncClientSession) -> list[Submitted | Exception]:
            uow: Any = self._stores.open(session)
            submitted = await submitting.submit(uow, work)
            await uow.write()
            return submitted

        limit = PATIENCE if len(work) > 1 else None
        return await self._stores.transactions.run(transaction, limit)
