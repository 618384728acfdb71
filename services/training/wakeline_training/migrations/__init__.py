"""Versioned changes of the service's database."""

from wakeline_storage import Migration
from wakeline_training.migrations import m0001_indexes

MIGRATIONS = (Migration(1, "indexes", m0001_indexes.apply),)
