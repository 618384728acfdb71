"""What the service's database went through, in order."""

from wakeline_labeling.migrations import admission, first, second, steering
from wakeline_storage import Migration

MIGRATIONS = (
    Migration(1, "first indexes", first.apply),
    Migration(2, "queues are counted from an index", second.apply),
    Migration(3, "search for tasks, and actions on many", steering.apply),
    Migration(4, "exams", admission.apply),
)
