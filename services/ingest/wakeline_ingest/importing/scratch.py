"""The folder where files of this process lie while they are checked, and the room in it."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from wakeline_ingest.domain.errors import FileTooLargeError, ScratchFullError

PREFIX = "wakeline-ingest-"
LEFT_BEHIND = ("wakeline-import-", "wakeline-upload-")
"""Of the release before, whose processes held no lock."""
NO_LONGER_USED = 86_400.0
"""Seconds after which one of those is nobody's."""


@contextmanager
def own_folder(where: Path | None) -> Iterator[Path]:
    """A folder of this process, in ``where`` or the system's folder for temporary files.

    It is locked as long as the process lives, however that ends. What processes have left there
    that were killed is deleted first: a container's volume outlives it.
    """
    base = where or Path(tempfile.gettempdir())
    base.mkdir(parents=True, exist_ok=True)
    _sweep(base)
    folder, held = _locked(base)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _locked(base: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        held = os.open(folder, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
        if folder.exists():
            return folder, held
        os.close(held)  # somebody swept it away before it was locked


def _sweep(base: Path) -> None:
    for entry in list(os.scandir(base)):
        if entry.name.startswith(PREFIX):
            with suppress(OSError):  # another user's, or held by a process that lives
                _delete_unheld(entry.path)
        elif entry.name.startswith(LEFT_BEHIND):
            with suppress(OSError):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > NO_LONGER_USED:
                    shutil.rmtree(entry.path)


def _delete_unheld(folder: str) -> None:
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(held)


@dataclass
class Scratch:
    """The folder, and how much of it is taken; used from several threads."""

    folder: Path
    bytes: int | None = None
    """That may lie there at the same time; None: nobody counts."""
    _taken: int = 0
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def claim(self, bytes: int = 0) -> Iterator["Claim"]:
        """Take room, for as long as what lies there is needed.

        Raises
        ------
        FileTooLargeError, ScratchFullError
            As `Claim.grow`.
        """
        claim = Claim(self)
        try:
            claim.grow(bytes)
            yield claim
        finally:
            self.change(-claim.bytes)

    def change(self, bytes: int) -> None:
        """Take or give back room.

        Raises
        ------
        ScratchFullError
            If others have taken too much of it.
        """
        with self._lock:
            if bytes > 0 and self.bytes is not None and self._taken + bytes > self.bytes:
                raise ScratchFullError
            self._taken += bytes


class Claim:
    """Room that somebody has taken."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self.bytes = 0

    def grow(self, bytes: int) -> None:
        """Take more of it.

        Raises
        ------
        FileTooLargeError
            If it would be more than there is room for at all.
        ScratchFullError
            If others have taken too much of it: there will be room.
        """
        most = self._scratch.bytes
        if most is not None and self.bytes + bytes > most:
            raise FileTooLargeError("what is sent together", most)
        self._scratch.change(bytes)
        self.bytes += bytes
