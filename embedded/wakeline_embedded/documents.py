"""Small JSON files that only their owner can read and nobody ever sees half written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write(path: Path, value: object, *, durable: bool = False) -> None:
    """Replace a document, atomically; its mode is 0600.

    Parameters
    ----------
    durable
        Return once it outlives the machine's end: for what nobody could make again.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(value, file, indent=1)
        if durable:
            file.flush()
            os.fsync(descriptor)
    unfinished.replace(path)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(path: Path) -> Any | None:
    """A document's value; None if there is no such file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
