"""What the routes of lineage are given."""

from typing import Annotated

from fastapi import Depends

from wakeline_auth import Permission, Principal
from wakeline_http import require
from wakeline_lineage.resources import Resources
from wakeline_lineage.store.unit_of_work import MongoLineageUnitOfWork
from wakeline_process import Command, command, reader, resources

LineageCommand = Annotated[Command[MongoLineageUnitOfWork], Depends(command)]
LineageReader = Annotated[MongoLineageUnitOfWork, Depends(reader)]
LineageResources = Annotated[Resources, Depends(resources)]
Asker = Annotated[Principal, Depends(require(Permission.READ_LINEAGE))]
Operator = Annotated[Principal, Depends(require(Permission.ADMINISTER))]
