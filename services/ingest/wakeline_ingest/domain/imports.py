"""Imports: what brings many images into a dataset at once, and its report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from wakeline_events.base import AssetId, DatasetId

ImportKind = Literal["sync", "archive", "urls", "metadata"]
ImportState = Literal["queued", "running", "done", "failed", "cancelled"]
Outcome = Literal["new", "duplicate", "changed", "moved", "gone", "refused", "updated", "unchanged"]
"""``changed``: the name stands for other bytes than before, which are a new asset; ``moved``: an
asset's bytes are to be had under another name now; ``updated``: something is said of an asset, or
its bytes, which were there by reference, are kept from now on."""
ENDED: tuple[ImportState, ...] = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """One import and how far it is."""

    import_id: str
    dataset_id: DatasetId
    kind: ImportKind
    state: ImportState
    created_at: datetime
    options: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for."""
    cursor: Mapping[str, Any] = field(default_factory=dict)
    """How far it is, committed with the effects of everything before: here an attempt goes on."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Outcome -> number of objects, entries or lines."""
    ended_at: datetime | None = None
    code: str | None = None
    message: str | None = None
    """Why it failed."""


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one object, archive entry, URL or line of a table."""

    name: str
    outcome: Outcome
    asset_id: AssetId | None = None
    previous: AssetId | None = None
    """Of a changed object: the asset that it was."""
    code: str | None = None
    message: str | None = None
