"""What the service's database went through, in order."""

from wakeline_storage import Migration

from wakeline_labeling.migrations import first

MIGRATIONS = (Migration(1, "first indexes", first.apply),)
