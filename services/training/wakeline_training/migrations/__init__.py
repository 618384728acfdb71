"""Versioned changes of the service's database."""

from wakeline_storage import Migration
from wakeline_training.migrations import m0001_indexes, m0002_withdrawals, m0003_splits

MIGRATIONS = (
    Migration(1, "indexes", m0001_indexes.apply),
    Migration(2, "images that are not to be had", m0002_withdrawals.apply),
    Migration(3, "many groups a row of splits", m0003_splits.apply),
)
