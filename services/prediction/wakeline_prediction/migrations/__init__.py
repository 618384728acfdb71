"""Versioned changes of the service's database."""

from wakeline_prediction.migrations import m0001_indexes
from wakeline_storage import Migration

MIGRATIONS = (Migration(1, "indexes", m0001_indexes.apply),)
