"""What can be uploaded."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wakeline_sdk.models import FileReport

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
Progress = Callable[[FileReport], None]


@dataclass(frozen=True)
class Upload:
    """One image with what comes along with it."""

    image: Path
    bands: Mapping[str, Path] = field(default_factory=dict)
    """Name of an extra band (``nir``) -> its file."""
    masks: Mapping[str, Path] = field(default_factory=dict)
    group: str | None = None
    """Patient or scene: assets of one group never stand on both sides of a split."""
    parent: str | None = None
    """Asset id of the larger image that this one was cut from."""
    metadata: Mapping[str, Any] | None = None


def images_below(folder: Path) -> Iterator[Upload]:
    """All files below a folder that are named like images, in order."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            yield Upload(path)


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
