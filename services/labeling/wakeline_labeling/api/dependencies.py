"""What routes ask for, by short names."""

from typing import Annotated

from fastapi import Depends

from wakeline_auth import Permission, Principal, Role
from wakeline_http import authenticated, require
from wakeline_http.authentication import ForbiddenError
from wakeline_labeling.api.together import Together
from wakeline_labeling.resources import Resources
from wakeline_labeling.store.unit_of_work import LabelingUnitOfWork
from wakeline_process import Command, command, reader, resources, shared

LabelingCommand = Annotated[Command[LabelingUnitOfWork], Depends(command)]
"""One transaction, in effect once for an ``Idempotency-Key``."""
LabelingReader = Annotated[LabelingUnitOfWork, Depends(reader)]
"""Outside any transaction: for reads, and for a lease's single atomic write."""
Held = Annotated[Resources, Depends(resources)]
Gathered = Annotated[Together, Depends(shared(Together))]
"""Does what several people ask for at the same moment at once."""

Manager = Annotated[Principal, Depends(require(Permission.MANAGE_PROJECTS))]
TeamManager = Annotated[Principal, Depends(require(Permission.MANAGE_TEAMS))]
Reader = Annotated[Principal, Depends(require(Permission.READ_PROJECTS))]
LabelReader = Annotated[Principal, Depends(require(Permission.READ_LABELS))]
Importer = Annotated[Principal, Depends(require(Permission.IMPORT_LABELS))]


async def _worker(principal: Annotated[Principal, Depends(authenticated)]) -> Principal:
    # Reviewers too: the last round of a rejected label is an expert's.
    if not principal.may(Permission.LEASE_TASKS) and Role.REVIEWER not in principal.roles:
        raise ForbiddenError(Permission.LEASE_TASKS)
    return principal


async def _onlooker(principal: Annotated[Principal, Depends(authenticated)]) -> Principal:
    if not (principal.may(Permission.READ_PROJECTS) or principal.may(Permission.SEE_WORK)):
        raise ForbiddenError(Permission.READ_PROJECTS)
    return principal


Worker = Annotated[Principal, Depends(_worker)]
"""Somebody who may lease tasks."""
Onlooker = Annotated[Principal, Depends(_onlooker)]
"""Somebody who may read all projects, or what their own team's work needs of some."""
