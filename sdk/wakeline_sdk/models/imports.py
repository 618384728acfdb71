"""Sources, imports, and their reports."""

from datetime import datetime
from typing import Any, Literal

from wakeline_sdk.shapes import Wire

Outcome = Literal["new", "duplicate", "changed", "moved", "gone", "refused", "updated", "unchanged"]


class Source(Wire):
    """A bucket and a prefix whose images are assets of a dataset by reference."""

    source_id: str
    dataset_id: str
    bucket: str
    prefix: str
    group_from_folder: bool
    copied: bool = False
    """Its images are copied, not assets by reference."""
    created_at: datetime
    syncs: int
    """How often it was synced."""
    active: str | None = None
    """The import that syncs it at the moment."""


class Import(Wire):
    """What brings many images into a dataset at once, and how far it is."""

    import_id: str
    dataset_id: str
    kind: str
    """``sync``, ``archive``, ``urls`` or ``metadata``."""
    state: str
    """``queued`` or ``running``; in the end ``done``, ``failed`` or ``cancelled``."""
    created_at: datetime
    ended_at: datetime | None = None
    options: dict[str, Any] = {}
    counts: dict[str, int] = {}
    """Outcome -> how many objects, entries, URLs or lines it is of."""
    code: str | None = None
    message: str | None = None
    """Why it failed."""

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state in ("done", "failed", "cancelled")


class ImportLine(Wire):
    """What became of one object, archive entry, URL or line of a table."""

    name: str
    outcome: Outcome
    asset_id: str | None = None
    previous: str | None = None
    """Of a changed object: the asset that it was."""
    code: str | None = None
    message: str | None = None
    """Why it was refused."""


class DeclaredUpload(Wire):
    """A big file that comes in parts, and how far it is."""

    upload_id: str
    dataset_id: str
    purpose: str
    state: Literal["open", "checking", "done", "refused", "expired", "cancelled"]
    bytes: int
    digest: str
    part_bytes: int
    """Of each part but the last."""
    parts: int
    expires_at: datetime
    asset_id: str | None = None
    import_id: str | None = None
    code: str | None = None
    message: str | None = None
    """Why it was refused."""
