"""Small JSON files that only their owner can read and nobody ever sees half written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write(path: Path, value: object) -> None:
    """Replace a document, atomically; its mode is 0600."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(value, file, indent=1)
    unfinished.replace(path)


def read(path: Path) -> Any | None:
    """A document's value; None if there is no such file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
