"""The HTTP side of the lineage service: translates and delegates."""

from wakeline_lineage.api.changes import router as changes
from wakeline_lineage.api.history import router as history
from wakeline_lineage.api.lineage import router as lineage
from wakeline_lineage.api.webhooks import router as webhooks

routers = (lineage, history, changes, webhooks)
