"""Roles, permissions, and the one table that says which role may do what."""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache


class Role(StrEnum):
    """What a person is to the platform; a person may hold several."""

    ADMIN = "admin"
    MANAGER = "manager"
    ENGINEER = "engineer"
    LABELER = "labeler"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """One thing that a route may ask for."""

    ADMINISTER = "administer"
    """Change settings of the platform itself; erase assets and persons."""
    MANAGE_PROJECTS = "manage-projects"
    MANAGE_TEAMS = "manage-teams"
    READ_PROJECTS = "read-projects"
    """Read every project and all that is said of it."""
    SEE_WORK = "see-work"
    """Read, of projects in which one's own team works, what that work needs."""
    INGEST_ASSETS = "ingest-assets"
    READ_ASSETS = "read-assets"
    """Read any asset by its name. Labelers and reviewers lack it: they get pixels by a lease."""
    LEASE_TASKS = "lease-tasks"
    LEASE_REVIEWS = "lease-reviews"
    UPLOAD_PREDICTIONS = "upload-predictions"
    READ_PREDICTIONS = "read-predictions"
    """Read predictions in bulk and embeddings; a task's own pre-label comes with its lease."""
    IMPORT_LABELS = "import-labels"
    READ_LABELS = "read-labels"
    EXPORT_LABELS = "export-labels"
    TRAIN_MODELS = "train-models"
    READ_MODELS = "read-models"
    """Read model versions with their metrics, verdicts and artefacts."""
    PUBLISH_MODELS = "publish-models"
    READ_STATISTICS = "read-statistics"
    READ_LINEAGE = "read-lineage"
    """Read every event that was ever published, and what came of what."""
    OPERATE = "operate"
    """See and resolve parked, waiting and dead events and jobs."""
    AUDIT = "audit"


CONFIDENTIAL = frozenset(
    {
        Permission.READ_PROJECTS,
        Permission.READ_ASSETS,
        Permission.READ_PREDICTIONS,
        Permission.EXPORT_LABELS,
        Permission.TRAIN_MODELS,
        Permission.READ_MODELS,
        Permission.PUBLISH_MODELS,
        Permission.READ_LINEAGE,
    }
)
"""What reaches assets, models or predictions in bulk, or other teams' work: no labeler, vendor or
reviewer has it."""

_READING = frozenset(
    {
        Permission.READ_PROJECTS,
        Permission.READ_ASSETS,
        Permission.READ_PREDICTIONS,
        Permission.READ_LABELS,
        Permission.READ_MODELS,
        Permission.READ_STATISTICS,
        Permission.READ_LINEAGE,
    }
)

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.MANAGER: _READING
    | {
        Permission.MANAGE_PROJECTS,
        Permission.MANAGE_TEAMS,
        Permission.INGEST_ASSETS,
        Permission.IMPORT_LABELS,
        Permission.EXPORT_LABELS,
    },
    Role.ENGINEER: _READING
    | {
        Permission.INGEST_ASSETS,
        Permission.UPLOAD_PREDICTIONS,
        Permission.IMPORT_LABELS,
        Permission.EXPORT_LABELS,
        Permission.TRAIN_MODELS,
        Permission.PUBLISH_MODELS,
        Permission.OPERATE,
    },
    Role.LABELER: frozenset({Permission.SEE_WORK, Permission.LEASE_TASKS}),
    Role.REVIEWER: frozenset({Permission.SEE_WORK, Permission.LEASE_REVIEWS}),
    Role.AUDITOR: _READING | {Permission.AUDIT},
}
"""What each role may do. Roles add up: who is given two may do what either may."""


@lru_cache(maxsize=256)
def permissions_of(roles: frozenset[Role]) -> frozenset[Permission]:
    """Return everything that the holder of these roles may do."""
    return frozenset().union(*(PERMISSIONS[role] for role in roles))
