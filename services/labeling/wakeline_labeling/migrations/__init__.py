"""What the service's database went through, in order."""

from wakeline_labeling.migrations import (
    m0001_indexes,
    m0002_counting,
    m0003_steering,
    m0004_exams,
    m0005_benchmarks,
    m0006_holders_and_teams,
    m0007_limits,
)
from wakeline_storage import Migration

MIGRATIONS = (
    Migration(1, "first indexes", m0001_indexes.apply),
    Migration(2, "queues are counted from an index", m0002_counting.apply),
    Migration(3, "search for tasks, and actions on many", m0003_steering.apply),
    Migration(4, "exams", m0004_exams.apply),
    Migration(5, "benchmarks that somebody has had", m0005_benchmarks.apply),
    Migration(6, "search by holder and by team", m0006_holders_and_teams.apply),
    Migration(7, "a team's living leases", m0007_limits.apply),
)
