"""What routes ask for, by short names."""

from typing import Annotated

from fastapi import Depends

from wakeline_auth import Permission, Principal
from wakeline_http import require
from wakeline_prediction.api.together import Together
from wakeline_prediction.resources import Resources
from wakeline_prediction.store.unit_of_work import MongoPredictionUnitOfWork
from wakeline_process import Command, command, reader, resources, shared

PredictionCommand = Annotated[Command[MongoPredictionUnitOfWork], Depends(command)]
"""One transaction, in effect once for an ``Idempotency-Key``."""
PredictionReader = Annotated[MongoPredictionUnitOfWork, Depends(reader)]
"""Reads, outside any transaction."""
Held = Annotated[Resources, Depends(resources)]
Gathered = Annotated[Together, Depends(shared(Together))]
"""Does what several requests ask for at the same moment at once."""
Uploader = Annotated[Principal, Depends(require(Permission.UPLOAD_PREDICTIONS))]
Viewer = Annotated[Principal, Depends(require(Permission.READ_PREDICTIONS))]
