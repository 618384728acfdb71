"""Which event causes which use case: none, for ingest stands where the loop begins."""

from wakeline_messaging import Handlers

handlers: Handlers | None = None
"""None: the process has no consumer at all, and so no consumer group either."""
