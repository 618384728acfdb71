"""Changes of the ingest service's database, in order."""

from wakeline_ingest.migrations import m0001_indexes, m0002_imports, m0003_uploads, m0004_previews
from wakeline_storage import Migration

MIGRATIONS = (
    Migration(1, "indexes", m0001_indexes.apply),
    Migration(2, "imports", m0002_imports.apply),
    Migration(3, "uploads", m0003_uploads.apply),
    Migration(4, "previews", m0004_previews.apply),
)
