"""What clients were promised: every request and every 2xx, on the disk before the next step."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Ledger:
    """An append-only file of JSON lines; a torn last line, as a kill leaves it, is dropped."""

    def __init__(self, path: Path) -> None:
        self.entries: list[Entry] = []
        good = 0
        if path.exists():
            for line in path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                self.entries.append(json.loads(line))
                good += len(line)
        self._file = path.open("ab")
        self._file.truncate(good)

    def write(self, what: str, **facts: Any) -> Entry:
        """Write one entry down; it is with the operating system when this returns."""
        entry = {"what": what, "at": time.time(), **facts}
        self._file.write(json.dumps(entry).encode() + b"\n")
        self._file.flush()
        self.entries.append(entry)
        return entry

    def of(self, *what: str) -> Iterator[Entry]:
        """The entries of these kinds, in their order."""
        return (entry for entry in self.entries if entry["what"] in what)

    def close(self) -> None:
        """Bring it to the disk and close it."""
        os.fsync(self._file.fileno())
        self._file.close()
