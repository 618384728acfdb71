"""What the routes of sources and imports take and give."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import Field, StringConstraints

from wakeline_events.base import AssetId, DatasetId
from wakeline_events.strict import Strict
from wakeline_ingest.api.models import Out
from wakeline_ingest.domain.imports import (
    ImportKind,
    ImportRecord,
    ImportState,
    Line,
    Outcome,
)
from wakeline_ingest.domain.sources import SourceRecord

SourceName = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="Name of a source.")
]


class SourceIn(Strict):
    """Which objects of a bucket are assets. Never a credential: services read with their own."""

    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    """Full name."""
    prefix: Annotated[str, StringConstraints(max_length=500)] = ""
    group_from_folder: bool = False
    """Images of one folder are one group, named by its path, which enters events."""
    copy_bytes: Annotated[bool, Field(alias="copy")] = False
    """Keep a copy of each image, instead of a reference to it."""


class SourceOut(Out):
    """A source."""

    source_id: str
    dataset_id: DatasetId
    bucket: str
    prefix: str
    group_from_folder: bool
    copied: bool
    """Its images are copied, not assets by reference."""
    created_at: datetime
    syncs: int
    """How often it was synced."""
    active: str | None
    """The import that syncs it at the moment."""

    @classmethod
    def of(cls, source: SourceRecord) -> "SourceOut":
        """Show a source."""
        own = {name: getattr(source, name) for name in cls.model_fields if name != "copied"}
        return cls(copied=source.copy, **own)


class ImportOut(Out):
    """An import and how far it is."""

    import_id: str
    dataset_id: DatasetId
    kind: ImportKind
    state: ImportState
    created_at: datetime
    ended_at: datetime | None
    options: dict[str, Any]
    counts: dict[Outcome, Annotated[int, Field(ge=0)]]
    """Outcome -> how many objects, entries, URLs or lines it is of."""
    code: str | None
    message: str | None
    """Why it failed."""

    @classmethod
    def of(cls, record: ImportRecord) -> "ImportOut":
        """Show an import."""
        return cls(
            **{name: getattr(record, name) for name in cls.model_fields if name != "counts"},
            counts=dict(record.counts),
        )


class LineOut(Out):
    """What became of one object, archive entry, URL or line."""

    name: str
    outcome: Outcome
    asset_id: AssetId | None
    previous: AssetId | None
    """Of a changed object: the asset that it was."""
    code: str | None
    message: str | None

    @classmethod
    def of(cls, line: Line) -> "LineOut":
        """Show a line of a report."""
        return cls(**{name: getattr(line, name) for name in cls.model_fields})
