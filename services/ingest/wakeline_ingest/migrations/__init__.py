"""Changes of the ingest service's database, in order."""

from wakeline_ingest.migrations import m0001_indexes
from wakeline_storage import Migration

MIGRATIONS = (Migration(1, "indexes", m0001_indexes.apply),)
