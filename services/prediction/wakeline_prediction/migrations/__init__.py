"""Versioned changes of the service's database."""

from wakeline_prediction.migrations import m0001_indexes, m0002_withdrawals, m0003_collecting
from wakeline_storage import Migration

MIGRATIONS = (
    Migration(1, "indexes", m0001_indexes.apply),
    Migration(2, "images that are not to be had", m0002_withdrawals.apply),
    Migration(3, "what nothing refers to is collected", m0003_collecting.apply),
)
