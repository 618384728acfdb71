"""What the service does: load, decide, store, emit."""

from wakeline_ingest.usecases.placing import Plan, Prints, place, plan_groups
from wakeline_ingest.usecases.receiving import (
    GROUP_JOB,
    REFER_JOB,
    Arrival,
    again,
    content_type,
    create_dataset,
    receive,
    refuse,
    require_known,
    store_bytes,
)

__all__ = [
    "GROUP_JOB",
    "REFER_JOB",
    "Arrival",
    "Plan",
    "Prints",
    "again",
    "content_type",
    "create_dataset",
    "place",
    "plan_groups",
    "receive",
    "refuse",
    "require_known",
    "store_bytes",
]
