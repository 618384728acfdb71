"""Logs that don't grow for ever, and reading them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

LARGEST: Final = 10 * 2**20
"""Bytes a log may have before it is put aside."""
KEPT: Final = 3
"""Old logs kept of each process: NAME.log.1 is the youngest."""


def rotate(folder: Path, largest: int = LARGEST) -> None:
    """Put aside every log in the folder that has grown too large.

    The log is copied and then emptied, not renamed: the process that writes it, in append mode,
    keeps its file open. What it writes in the moment between the two is lost.
    """
    for log in folder.glob("*.log"):
        if log.stat().st_size <= largest:
            continue
        for age in range(KEPT, 1, -1):
            older = _aside(log, age - 1)
            if older.exists():
                older.replace(_aside(log, age))
        shutil.copyfile(log, _aside(log, 1))
        os.truncate(log, 0)


def _aside(log: Path, age: int) -> Path:
    return log.with_name(f"{log.name}.{age}")


def last_lines(log: Path, count: int) -> list[str]:
    """The last lines of a log, oldest first; [] if there is none."""
    wanted = 400 * count
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - wanted))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-count:]


class Follower:
    """Yields what is added to a log from now on."""

    def __init__(self, log: Path) -> None:
        """The log need not be there yet."""
        self._log = log
        self._position = log.stat().st_size if log.exists() else 0
        self._rest = ""

    def new_lines(self) -> list[str]:
        """The lines finished since the last call."""
        if not self._log.exists():
            return []
        if self._log.stat().st_size < self._position:  # it was rotated
            self._position, self._rest = 0, ""
        with self._log.open("rb") as file:
            file.seek(self._position)
            added = file.read()
        self._position += len(added)
        *lines, self._rest = (self._rest + added.decode(errors="replace")).split("\n")
        return lines
