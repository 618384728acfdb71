"""What the routes of review are given."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Depends

from wakeline_auth import Permission, Principal
from wakeline_http import authenticated, require
from wakeline_process import Command, command, reader, resources
from wakeline_review.domain.errors import NotOnTeamError, UnknownStageError
from wakeline_review.resources import Resources
from wakeline_review.store.unit_of_work import MongoReviewUnitOfWork

ReviewCommand = Annotated[Command[MongoReviewUnitOfWork], Depends(command)]
ReviewReader = Annotated[MongoReviewUnitOfWork, Depends(reader)]
"""Outside any transaction: for reads, and for a lease's single atomic write."""
ReviewResources = Annotated[Resources, Depends(resources)]
Reviewer = Annotated[Principal, Depends(require(Permission.LEASE_REVIEWS))]
Manager = Annotated[Principal, Depends(require(Permission.MANAGE_PROJECTS))]
Statistician = Annotated[Principal, Depends(require(Permission.READ_STATISTICS))]
Anyone = Annotated[Principal, Depends(authenticated)]


@contextmanager
def unseen(caller: Principal, instead: Exception) -> Iterator[None]:
    """Answer alike where something is not there and where it is another team's.

    Who may read every project is told which of both it is.
    """
    try:
        yield
    except (UnknownStageError, NotOnTeamError):
        if caller.may(Permission.READ_PROJECTS):
            raise
        raise instead from None
