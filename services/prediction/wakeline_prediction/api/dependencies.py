"""What routes ask for, by short names."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends

from wakeline_auth import Permission, Principal
from wakeline_http import require
from wakeline_messaging import outbox_depth
from wakeline_prediction.domain.errors import TooMuchWaitsError
from wakeline_prediction.resources import Resources
from wakeline_prediction.store.unit_of_work import MongoPredictionUnitOfWork
from wakeline_process import Command, command, reader, resources

MOST_ROWS = 50_000
LONGEST_WAIT = timedelta(seconds=60)
"""With more in the outbox, or for longer, bulk requests are asked to come again later."""

PredictionCommand = Annotated[Command[MongoPredictionUnitOfWork], Depends(command)]
"""One transaction, in effect once for an ``Idempotency-Key``."""
PredictionReader = Annotated[MongoPredictionUnitOfWork, Depends(reader)]
"""Reads, outside any transaction."""
Held = Annotated[Resources, Depends(resources)]
Uploader = Annotated[Principal, Depends(require(Permission.UPLOAD_PREDICTIONS))]
Viewer = Annotated[Principal, Depends(require(Permission.READ_PREDICTIONS))]


async def _not_behind(uow: PredictionReader) -> None:
    rows, seconds = await outbox_depth(uow.scope.database)
    if rows > MOST_ROWS or seconds > LONGEST_WAIT.total_seconds():
        raise TooMuchWaitsError(rows, seconds)


not_behind = Depends(_not_behind)
"""Refuses a bulk request while too much waits to be sent."""
