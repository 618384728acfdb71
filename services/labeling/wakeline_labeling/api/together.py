"""What labelers ask for at the same moment, done for all of them at once."""

from collections.abc import Sequence
from typing import Any

from wakeline_labeling.domain.queues import Claim
from wakeline_labeling.domain.records import Slot
from wakeline_labeling.usecases import submitting
from wakeline_labeling.usecases.submitting import Prepared, Submitted
from wakeline_messaging import Stores
from wakeline_process import Gathering, gathered_writes


class Together:
    """Claims in one round trip, submits in one transaction."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self.claims: Gathering[Claim, Slot | None] = Gathering(self._claim)
        self.submits: Gathering[Prepared, Submitted] = gathered_writes(stores, submitting.submit)

    async def _claim(self, claims: Sequence[Claim]) -> list[Slot | Exception | None]:
        uow: Any = self._stores.open(None)
        claimed: list[Slot | Exception | None] = await uow.queue.claim_all(claims)
        return claimed
