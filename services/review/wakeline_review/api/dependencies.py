"""What the routes of review are given."""

from typing import Annotated

from fastapi import Depends

from wakeline_auth import Permission, Principal
from wakeline_http import authenticated, require
from wakeline_process import Command, command, reader, resources
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
