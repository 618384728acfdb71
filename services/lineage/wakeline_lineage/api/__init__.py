"""The HTTP side of the lineage service: translates and delegates."""

from wakeline_lineage.api.history import router as history
from wakeline_lineage.api.lineage import router as lineage

routers = (lineage, history)
