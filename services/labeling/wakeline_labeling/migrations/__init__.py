"""What the service's database went through, in order."""

from wakeline_labeling.migrations import first, second
from wakeline_storage import Migration

MIGRATIONS = (
    Migration(1, "first indexes", first.apply),
    Migration(2, "queues are counted from an index", second.apply),
)
