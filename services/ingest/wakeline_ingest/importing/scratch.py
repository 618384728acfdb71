"""The room in the folder where files of this process lie while they are checked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from wakeline_ingest.domain.errors import FileTooLargeError, ScratchFullError

PREFIX = "wakeline-ingest-"
LEFT_BEHIND = ("wakeline-import-", "wakeline-upload-")
"""Of the release before."""


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
            raise FileTooLargeError("what is sent together", most, "send less at once")
        self._scratch.change(bytes)
        self.bytes += bytes
