"""What the service's database went through, in order."""

from wakeline_labeling.migrations import first
from wakeline_storage import Migration

MIGRATIONS = (Migration(1, "first indexes", first.apply),)
