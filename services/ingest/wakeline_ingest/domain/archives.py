"""Archives: which of their entries may become assets, and how much they may hold."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from wakeline_ingest.domain.sources import is_image_key

MOST_CHARACTERS = 400
LEAST_SUSPICIOUS = 16 * 1024 * 1024
"""Bytes; what unpacks to less is no bomb, however well it was packed."""
ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".xz", ".txz", ".7z", ".rar"})
_OF_THE_SYSTEM = ("__MACOSX/", ".DS_Store", "Thumbs.db")
_DRIVE = re.compile(r"^[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much an archive may hold."""

    entries: int
    bytes: int
    """Of all entries, unpacked."""
    entry_bytes: int
    ratio: int
    """Bytes that one packed byte may unpack to."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as the archive describes it."""

    name: str
    size: int
    """Unpacked, in bytes."""
    packed: int | None
    """Packed, in bytes; None where the archive does not say it."""
    is_file: bool
    """A plain file, not a link or a device; folders are no entries here."""
    encrypted: bool = False


def is_of_the_system(name: str) -> bool:
    """Whether an entry is what an operating system leaves in archives: left out without a word."""
    return name.startswith(_OF_THE_SYSTEM[0]) or PurePosixPath(name).name in _OF_THE_SYSTEM


def refusal_of(entry: Entry, limits: ArchiveLimits) -> tuple[str, str] | None:
    """Return code and reason why an entry is not unpacked, or None if it is."""
    if why := _unsafe(entry.name):
        return "unsafe-name", f"its name {why}: no entry may point outside of the archive"
    if not entry.is_file:
        return "no-plain-file", "it is a link or a device, not a file"
    if PurePosixPath(entry.name).suffix.lower() in ARCHIVES:
        return "nested-archive", "it is an archive itself: unpack it first, or send it alone"
    if not is_image_key(entry.name):
        return "no-image-name", "it is not named like an image"
    if entry.encrypted:
        return "encrypted-entry", "it is encrypted: pack it without a password"
    if entry.size > limits.entry_bytes:
        return (
            "file-too-large",
            f"it has {entry.size:,} bytes, more than the {limits.entry_bytes:,} that are allowed",
        )
    if is_bomb(entry.size, entry.packed, limits.ratio):
        return "archive-bomb", f"it unpacks to more than {limits.ratio} times its size"
    return None


def is_bomb(size: int, packed: int | None, ratio: int) -> bool:
    """Whether something unpacks to far more than images do."""
    return packed is not None and size > max(LEAST_SUSPICIOUS, ratio * packed)


def group_of(name: str, group_from_folder: bool) -> str | None:
    """Return the group of an entry: its folder, if that is what groups are."""
    folder = str(PurePosixPath(name).parent)
    return folder if group_from_folder and folder != "." else None


def _unsafe(name: str) -> str | None:
    if not name or len(name) > MOST_CHARACTERS:
        return f"has not 1 to {MOST_CHARACTERS} characters"
    if not name.isprintable():
        return "holds characters that cannot be printed"
    if "\\" in name or _DRIVE.match(name):
        return "is of another system"
    if name.startswith("/"):
        return "begins at the root"
    if ".." in PurePosixPath(name).parts:
        return "goes up"
    return None
