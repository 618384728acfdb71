"""What the routes of lineage are given."""

from typing import Annotated

from fastapi import Depends

from wakeline_auth import Permission, Principal
from wakeline_http import require
from wakeline_lineage.store.unit_of_work import MongoLineageUnitOfWork
from wakeline_process import reader

LineageReader = Annotated[MongoLineageUnitOfWork, Depends(reader)]
Asker = Annotated[Principal, Depends(require(Permission.READ_LINEAGE))]
